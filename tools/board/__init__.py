"""The board: what was handed in, judged and ranked, as LEADERBOARD.md and a page."""

from .rows import Board, Refusal, Row
from .standings import build
from .writing import write

__all__ = ["Board", "Refusal", "Row", "build", "write"]
