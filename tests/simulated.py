"""A search that is only simulated: no trial is trained."""

import dataclasses
import functools
import importlib.metadata
import os
from pathlib import Path

import play
import pytest
import searches
from searches import write_from

from league.record import code
from tools.tune.search import Search
from tools.tune.trial import Attempt, Runner


@dataclasses.dataclass
class Simulated:
    """A folder, and what was tried in it: stage, fidelity and values."""

    folder: Path
    ran: list[tuple[str, float, dict]]
    seconds_a_trial = 3.0

    def play(self, *flags: str) -> None:
        play.play("tools.tune.__main__", "--from", "from.json", "--entry", "s", "--no_final", *flags)

    @property
    def tune(self) -> Path:
        return self.folder / "runs" / "s" / "tune"

    def files(self) -> dict[Path, bytes]:
        kept = [self.folder / "runs/s/record.json", self.tune / "journal.log", self.tune / "clock.json"]
        return {path: path.read_bytes() for path in kept if path.exists()}


@pytest.fixture
def simulated(tmp_path, monkeypatch) -> Simulated:
    """Here, trials end at once and cost a few seconds of the search's time."""
    monkeypatch.chdir(tmp_path)
    write_from(tmp_path)
    for kind, spans in searches.RANGES.items():
        for name, span in spans.items():
            monkeypatch.setitem(kind.__annotations__, name, searches.annotated(kind, span, name))
    ran = []

    def run(self, attempt: Attempt):
        stage, values, fidelity = attempt.stage, attempt.values, attempt.fidelity
        ran.append((stage, fidelity, values))
        size = values.get("d_model", 0) / 10 - values.get("weight_decay", 0)
        curve = {"curve": [[1, 5.0]], "validation_seconds": 0.5, "pace": 0.05, "seconds": 1.5, "steps": 10}
        return curve | {"state": "complete", "reason": None, "validation": 20 + 5 * fidelity + size, "sha256": {}}

    # What these search for is not lost by a kill, and the code stands still meanwhile.
    monkeypatch.setattr(os, "fsync", lambda file: None)
    digest = code.code_digest()
    monkeypatch.setattr("league.run.entry.code_digest", lambda rules: digest)
    monkeypatch.setattr("league.run.entry.version", functools.cache(importlib.metadata.version))
    monkeypatch.setattr(Runner, "run", run)
    monkeypatch.setattr(Runner, "probe", lambda *_: {"pretrain": 0.05, "finetune": 0.05})
    monkeypatch.setattr(Search, "used", property(lambda self: Simulated.seconds_a_trial * len(self.study.rows())))
    monkeypatch.setattr("tools.tune.output.write_report", lambda content, folder: [folder / "report.html"])
    monkeypatch.setattr("tools.tune.output.terminal_summary", lambda content, paths: "summary")
    return Simulated(tmp_path, ran)
