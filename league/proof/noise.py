"""How much a score moves from seed to seed when nothing else changes, as measured and published for each league."""

import json
import statistics
from pathlib import Path

from league.files import write_json
from league.record.shape import Record

NOISE = Path(__file__).with_name("noise.json")


def seed_deviation(name: str, version: int) -> float | None:
    """Return the standard deviation of the score over seeds, or None where nobody has measured it."""
    measured = json.loads(NOISE.read_text(encoding="utf-8")).get(f"{name} {version}")
    return statistics.stdev(measured["scores"].values()) if measured else None


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
