"""How much a score moves from seed to seed when nothing else changes, as measured and published for each league."""

import json
import math
import statistics
from pathlib import Path
from typing import NamedTuple

from league.files import write_json
from league.record.shape import Record

NOISE = Path(__file__).with_name("noise.json")
# Student's t for 95 %, by degrees of freedom: a deviation that few seeds have shown is itself uncertain.
STUDENT = (12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228)


class Noise(NamedTuple):
    """How far a score moves with the seed alone."""

    deviation: float
    num_seeds: int  # that have shown it

    @property
    def reach(self) -> float:
        """Return how far apart two runs that differ in nothing but the seed may be, 19 times out of 20."""
        return student(self.num_seeds - 1) * math.sqrt(2) * self.deviation


def student(degrees: int) -> float:
    """Return the quantile of Student's t for 95 %; to a thousandth, beyond the table by its expansion."""
    return STUDENT[degrees - 1] if degrees <= len(STUDENT) else 1.95996 + 2.37227 / degrees + 2.8225 / degrees**2


def noise_of(name: str, version: int) -> Noise | None:
    """Return what was measured for a league, or None where nobody has."""
    measured = json.loads(NOISE.read_text(encoding="utf-8")).get(f"{name} {version}")
    return Noise(statistics.stdev(measured["scores"].values()), len(measured["scores"])) if measured else None


def publish(record: Record, scores: dict[str, float]) -> None:
    """Keep the scores of one entry over several seeds as the noise of its league."""
    league = record.league
    noise = json.loads(NOISE.read_text(encoding="utf-8"))
    noise[f"{league.name} {league.version}"] = {
        "fingerprint": league.fingerprint,
        "tuned": record.tuned,
        "device": record.stages["finetune"].device,
        "scores": scores,
    }
    write_json(NOISE, noise)
