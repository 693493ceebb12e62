"""How much a score moves from seed to seed when nothing else changes, as measured and published for each league."""

import json
import statistics
from pathlib import Path
from typing import Any

from league.files import write_json
from league.record.rules import SCHEDULE, STRUCTURE

NOISE = Path(__file__).with_name("noise.json")


def seed_deviation(name: str, version: int) -> float | None:
    """Return the standard deviation of the score over seeds, or None where nobody has measured it."""
    measured = json.loads(NOISE.read_text(encoding="utf-8")).get(f"{name} {version}")
    return statistics.stdev(measured["bleu"].values()) if measured else None


def publish(record: dict[str, Any], bleu: dict[str, float]) -> None:
    """Keep the scores of one entry over several seeds as the noise of its league."""
    league = record["league"]
    tuned = {name: record["asked"][name] for name in (*STRUCTURE, *SCHEDULE)}
    noise = json.loads(NOISE.read_text(encoding="utf-8"))
    noise[f"{league['name']} {league['version']}"] = {
        "fingerprint": league["fingerprint"],
        "tuned": tuned,
        "device": record["stages"]["finetune"]["device"],
        "bleu": bleu,
    }
    write_json(NOISE, noise)
