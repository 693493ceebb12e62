"""Killed at any moment, in any script, on one process or two: the same command goes on, to the very same weights."""

import json
import os
import random
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from conftest import ROOT

from league.files import lock
from league.record.shape import as_json, read_record
from league.run.checkpoints import last_complete_checkpoint, seal

pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(sys.platform != "linux", reason="forks processes that hold torch"),
]


@dataclass
class Played:
    """What `forks.py` did: the entry `torn` by kills, and the entry `whole` without."""

    folder: Path
    processes: int
    planned: int
    seed: int
    kills: list[dict]
    seconds: float

    def record(self, entry: str) -> dict:
        return as_json(read_record(self.folder / "runs" / entry / "record.json"))

    def __str__(self) -> str:
        places = "\n".join(f"  {kill}" for kill in self.kills)
        return f"again: tests/forks.py --processes {self.processes} --kills {self.planned} --seed {self.seed}\n{places}"


@pytest.fixture(
    scope="module",
    params=[
        pytest.param((1, 10), id="few"),
        pytest.param((1, 32), id="one", marks=pytest.mark.slow),
        pytest.param((2, 16), id="two", marks=pytest.mark.slow),
        pytest.param((1, 80), id="one-long", marks=pytest.mark.slow),
        pytest.param((2, 48), id="two-long", marks=pytest.mark.slow),
    ],
)
def torn(request, tmp_path_factory) -> Played:
    folder, (processes, planned) = tmp_path_factory.mktemp("torn"), request.param
    drawn = 7 if planned <= 32 else random.SystemRandom().randrange(10**6)  # the ordinary suite draws the same moments
    seed = int(os.environ.get("TORTURE_SEED", drawn))
    flags = {"--processes": processes, "--kills": planned, "--seed": seed}
    words = [sys.executable, str(ROOT / "tests" / "forks.py"), *(str(word) for flag in flags.items() for word in flag)]
    done = subprocess.run(words, cwd=folder, capture_output=True, text=True, timeout=900)
    assert done.returncode == 0, f"{' '.join(words)}\n{done.stderr}"
    told = json.loads(done.stdout.splitlines()[-1])["torn"]
    return Played(folder, processes, planned, seed, told["kills"], told["seconds"])


def test_kills_land_where_it_hurts(torn):
    is_few = torn.planned < 32  # then not every place is aimed at
    assert len(torn.kills) >= (8 if is_few else 20), str(torn)
    assert {kill["script"] for kill in torn.kills} == {"train_pretrain", "train_finetune", "evaluate_bleu"}, str(torn)
    assert sum(bool(kill["unsealed"]) for kill in torn.kills) >= (1 if is_few else 3), str(torn)
    if is_few:
        return
    assert {kill["by"] for kill in torn.kills} == {"clock", "change"}, str(torn)
    for place in (
        r"torn .*checkpoint-",
        r"rename .*/checkpoint-\d+/complete\.json",
        r"rename .*/torn/(pretrain|finetune)$",
        r"/translations\.txt",
        r"/\.?record\.json",
    ):
        assert any(re.search(place, kill["at"]) for kill in torn.kills), f"{place}: {torn}"


def test_what_comes_out_is_the_same_to_the_last_bit(torn):
    whole, gone_on = torn.record("whole"), torn.record("torn")
    for record in (whole, gone_on):
        for facts in record["stages"].values():
            assert facts["num_processes"] == torn.processes
            for by_the_clock in ("minutes", "validation_seconds"):
                del facts[by_the_clock]
    assert set(gone_on["stages"]) == {"pretrain", "finetune"}
    for part in ("stages", "score", "asked", "data", "league"):
        assert gone_on[part] == whole[part], f"{part}: {torn}"
    texts = [(torn.folder / "runs" / entry / "translations.txt").read_bytes() for entry in ("whole", "torn")]
    assert texts[0] == texts[1], str(torn)
    assert gone_on["official"] == whole["official"] and gone_on["test_openings"] >= whole["test_openings"] == 1


def test_the_scripts_as_commands_come_to_the_same_weights(torn, played):
    if torn.processes > 1:
        pytest.skip("was played on one process")
    alone = read_record(played / "runs" / "one" / "record.json")
    for stage, facts in torn.record("torn")["stages"].items():
        assert facts["sha256"] == alone.stages[stage].sha256, str(torn)


def test_the_clock_hides_nothing(torn):
    # What each kill did to the clock was looked at after the attempt.
    clock = json.loads((torn.folder / "runs" / "torn" / "clock.json").read_text())
    assert clock["running"] is None and sum(clock["spent"].values()) >= torn.seconds > 0, str(torn)
    assert clock["interruptions"] >= sum(kill["clock"] == "clock runs" for kill in torn.kills) > 0, str(torn)
    assert torn.record("torn")["clock"]["interruptions"] == clock["interruptions"], str(torn)


def test_nothing_is_left_behind(torn):
    entries = {}
    for name in ("whole", "torn"):
        folder = torn.folder / "runs" / name
        entries[name] = {path.relative_to(folder).as_posix() for path in folder.rglob("*")}
        held = lock(folder / "lock")
        assert held, str(torn)
        held.close()
    assert entries["torn"] == entries["whole"], str(torn)
    assert not [path for path in entries["torn"] if "/." in f"/{path}" or path.startswith("under_way/")], str(torn)


def test_an_older_checkpoint_that_was_half_removed_is_not_kept_for_a_whole_one(tmp_path):
    for step in (1, 2):
        (tmp_path / f"checkpoint-{step}").mkdir()
        (tmp_path / f"checkpoint-{step}" / "optimizer.pt").write_text("whole")
        seal(tmp_path / f"checkpoint-{step}", 1)
    (tmp_path / "checkpoint-1" / "optimizer.pt").unlink()
    assert last_complete_checkpoint(tmp_path, 1) == str(tmp_path / "checkpoint-2")
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint-2"]
