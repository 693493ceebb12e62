"""Entries for a board: one that was played, and as many like it as wanted, sound or forged."""

import copy
import json
import os
from pathlib import Path

from msgspec import to_builtins
from play import TINY
from tunables import SCHEDULE

from league.data.corpora import load_split
from league.files import digest_of
from league.record import rules
from league.record.shape import as_record
from league.rulebook import fingerprint

EARLY = 1_700_000_000


def read(folder: Path) -> dict:
    return json.loads((folder / "record.json").read_text())


def varied(record: dict, number: int, bleu: float | None = None, **asked) -> dict:
    """Return a record of one piece with other values, weights and score."""
    record = copy.deepcopy(record)
    asked = {"seed": number, **asked}
    record["asked"] |= asked
    record["entry"] = f"entry{number}"
    for name, stage in record["stages"].items():
        stage["effective"]["seed"] = asked["seed"]
        stage["sha256"]["model.safetensors"] = f"{number:08x}" + name.encode().hex().ljust(56, "0")
        if name == "finetune":
            stage["started_from"] = record["stages"]["pretrain"]["sha256"]
            stage["effective"] |= {key: value for key, value in asked.items() if key in SCHEDULE}
            for point in stage["curve"]:
                point["learning_rate"] = rules.scheduled_rate(stage["effective"], point["step"])
    record["score"]["weights"] = record["stages"]["finetune"]["sha256"]
    if bleu is not None:
        record["score"] |= {"value": bleu, "interval": [max(0.0, bleu - 1), min(100.0, bleu + 1)]}
    return judged(record)


def judged(record: dict) -> dict:
    """Bring the verdict up to date, as an honest command would."""
    digests = {name: report["sha256"] for name, report in record["data"].items()}
    record["league"]["fingerprint"] = fingerprint(record["league"]["fixed"], digests)
    broken = rules.broken_rules(as_record(record))
    return record | {"broken_rules": to_builtins(broken), "official": not broken}


def deal(folder: Path, record: dict, translations: list[str] | None = None, age: int = 0) -> Path:
    """Write an entry's record, and its translations with their true score where there are any."""
    folder.mkdir(parents=True, exist_ok=True)
    if translations is not None:
        from league.tasks.scoring import score

        (folder / "translations.txt").write_text("\n".join(translations) + "\n")
        record["score"]["sha256"] = {"translations.txt": digest_of(folder / "translations.txt")}
        record["score"] |= score(TINY, translations, load_split(TINY, TINY.pretrain.corpus, "test", None).targets)
    path = folder / "record.json"
    path.write_text(json.dumps(record))
    os.utime(path, (EARLY - age, EARLY - age))
    return folder
