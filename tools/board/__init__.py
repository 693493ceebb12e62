"""The board: what was handed in, judged and ranked, as LEADERBOARD.md and a page."""

from .standings import build
from .writing import write

__all__ = ["build", "write"]
