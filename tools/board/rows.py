"""What a board is made of: rows, refusals, and a standing for each league."""

from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from league.proof.data import DataAtHand
from league.proof.source import Source
from league.record.game import GameLog
from league.record.shape import GameFacts

from .cache import Cache

STATES = ("verified", "claimed", "late", "open", "copy", "refuted")  # whose words stand in the table of texts


class Refusal(NamedTuple):
    """Something handed in that is no entry, and why."""

    name: str
    reason: str


class Unfinished(Refusal):
    """An entry that has no score yet."""


@dataclass
class Row:
    """One entry on the board; everything in it was checked for its shape, and nothing for its charm."""

    id: str  # by its name and its record's content: it names files, whatever the entry calls itself
    source: Source = field(repr=False)
    entry: str
    league: tuple[str, int]
    score: float
    interval: tuple[float, float]
    seed: int | None
    values: dict[str, Any]
    minutes: float
    trials: int
    test_openings: int
    device: str
    game: GameFacts | None
    weights: str
    state: str
    is_proven: bool = False
    reasons: list[str] = field(default_factory=list)  # why it is not ranked
    notes: list[str] = field(default_factory=list)  # what could not be checked
    statistics: np.ndarray | None = field(default=None, repr=False)  # of the test's rows, where they were scored again
    game_log: GameLog | None = field(default=None, repr=False)
    rank: int | None = None
    is_tied: bool = False
    copy_of: str | None = None
    num_seeds: int = 1
    seeds_mean: float = 0.0

    @property
    def name(self) -> str:
        return self.source.name

    @property
    def is_official(self) -> bool:
        return self.state in ("verified", "claimed")

    def refute(self, reasons: list[str]) -> None:
        self.state, self.reasons = "refuted", reasons


@dataclass
class Standing:
    """One league's board."""

    name: str
    version: int
    reach_of_seeds: float | None
    ranked: list[Row]
    unranked: list[Row]

    @property
    def rows(self) -> list[Row]:
        return self.ranked + self.unranked


@dataclass
class Board:
    """All leagues of one source."""

    standings: list[Standing]
    refused: list[Refusal]
    under_way: list[Unfinished]
    data: DataAtHand
    cache: Cache
    with_references: bool = True  # whether comparisons show the test set's sources and references

    @property
    def entries(self) -> list[Row]:
        """Return the ranked rows, league by league."""
        return [row for standing in self.standings for row in standing.ranked]

    @property
    def unranked(self) -> list[Row]:
        return [row for standing in self.standings for row in standing.unranked]
