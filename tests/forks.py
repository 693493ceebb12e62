"""Play an entry through under a hail of kills: `python tests/forks.py --processes 2 --kills 9 --seed 7`.

All is imported once and every attempt forked, which saves seconds. An attempt is killed at a moment drawn at random, by
the clock or at a change to a file, until the kills are used up. Prints as JSON what happened; plays in this folder.
"""

import argparse
import json
import math
import os
import random
import re
import select
import signal
import socket
import sys
import time
import traceback
from dataclasses import dataclass, field
from pathlib import Path

os.environ |= {"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", "ACCELERATE_USE_CPU": "true", "MINUTES": "60"}
os.environ["HF_MODULES_CACHE"] = os.path.abspath("modules")  # filled under fire too, not by an earlier run

import accelerate  # noqa: F401
import evaluate  # noqa: F401
import play
import sacrebleu  # noqa: F401
import torch
from conftest import SMALL
from doom import Doom, Kill
from transformers import Seq2SeqTrainer, Seq2SeqTrainingArguments, modeling_utils  # noqa: F401

from league.errors import run_command
from league.record import clock
from league.record.shape import read_record
from league.run import watch  # noqa: F401
from league.run.checkpoints import damage

SCRIPTS = {
    "train_pretrain": [*SMALL],
    "train_finetune": ["--warmup_steps", "2"],
    "evaluate_bleu": [],
}
SHARES = {"train_pretrain": 0.5, "train_finetune": 0.3, "evaluate_bleu": 0.2}  # of the kills
STAGES = {"train_pretrain": "pretrain", "train_finetune": "finetune"}
HALF = {script: getattr(play.TINY, stage).arguments["max_steps"] / 2 for script, stage in STAGES.items()}
CHARGED = r"/\.clock\.json"  # the first write of a command's training or scoring
HANGS = 60.0  # seconds that no attempt takes

watch.SAVE_EVERY, watch.MOST_FOR_CHECKPOINTS = 0.0, math.inf  # a checkpoint at every step
clock.SAVE_EVERY = 0.3


@dataclass
class Child:
    """A forked process and what it has reported: one line for each change to a file and each turn of the clock."""

    pid: int
    pipe: int
    text: str = ""
    killed_at: float | None = None
    code: int | None = None
    lines: list[tuple[float, str]] = field(default_factory=list)

    def listen(self) -> None:
        """Read what the process has reported; nothing more means that it has ended."""
        received = os.read(self.pipe, 65536).decode()
        self.text += received
        *whole, self.text = self.text.split("\n")
        self.lines += [(float(stamp), what) for stamp, _, what in (line.partition(" ") for line in whole)]
        if not received:
            os.close(self.pipe)
            self.code = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])

    def end(self, number: int = signal.SIGKILL) -> None:
        if self.code is None:
            self.killed_at = time.monotonic()
            os.kill(self.pid, number)


def fork(words: list[str], rank: int, processes: int, port: int, kill: Kill | None, output: Path) -> Child:
    """Start a script in a forked process, as its command line or a launcher would."""
    reading, writing = os.pipe()
    pid = os.fork()
    if pid:
        os.close(writing)
        return Child(pid, reading)
    code = 1
    try:
        file = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(file, 1)
        os.dup2(file, 2)
        if processes > 1:
            names = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": processes, "LOCAL_WORLD_SIZE": processes}
            os.environ |= {name: str(value) for name, value in (names | {"MASTER_PORT": port}).items()}
            os.environ["MASTER_ADDR"] = "127.0.0.1"
        Doom(writing, kill if kill and rank in kill.ranks else None).attach()
        run_command(lambda: play.play(*words))
        code = 0
    except SystemExit as end:
        code = end.code
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


def attempt(words: list[str], processes: int, kill: Kill | None, output: Path) -> list[Child]:
    """Run a script once and kill it as was drawn; a process that loses another is ended as a launcher would."""
    port = free_port() if processes > 1 else 0
    outputs = [output.with_suffix(f".{rank}.txt") for rank in range(processes)]
    children = [fork(words, rank, processes, port, kill, outputs[rank]) for rank in range(processes)]
    began = time.monotonic()
    due = began + kill.seconds if kill and kill.seconds is not None and not kill.after else math.inf
    grace: list[tuple[float, int]] = []
    while living := [child for child in children if child.code is None]:
        now = time.monotonic()
        if now > began + HANGS:
            for child in living:
                child.end()
            raise AssertionError(f"hangs: {' '.join(words)}\n{tails(outputs)}")
        if now >= due:
            due = math.inf
            for rank in kill.ranks:
                children[rank].end()
        if any(child.code for child in children):
            grace = grace or [(now + 0.3, signal.SIGTERM), (now + 0.6, signal.SIGKILL)]
            if now >= grace[0][0]:
                for child in living:
                    child.end(grace[0][1])
                grace = grace[1:] or [(math.inf, 0)]
        wait = min(began + HANGS + 0.1, due, *(moment for moment, _ in grace[:1])) - now
        for pipe in select.select([child.pipe for child in living], [], [], max(0.0, wait))[0]:
            next(child for child in living if child.pipe == pipe).listen()
        if kill and kill.seconds is not None and kill.after and due == math.inf:
            marks = [stamp for child in children for stamp, what in child.lines if re.search(kill.after, what)]
            if marks and not any(child.killed_at for child in children):
                due = min(marks) + kill.seconds
    was_killed = any(child.code == -signal.SIGKILL for child in children)
    if not was_killed and any(child.code for child in children):
        raise AssertionError(f"fails by itself: {' '.join(words)}\n{tails(outputs)}")
    return children


def tails(outputs: list[Path]) -> str:
    return "\n".join(f"{path.name}:\n{path.read_text()[-3000:]}" for path in outputs if path.exists())


def plan(script: str, kills: int, dice: random.Random) -> list[tuple[str, int] | None]:
    """Return for each kill of a script the change to hit, as a pattern and how many changes later, or None for any."""
    if script in STAGES:
        early = ["torn torch.save .*/optimizer.pt", "torn safetensors", "os.rename .*/complete.json"]
        moved = f"os.rename .*/torn/{STAGES[script]}$"
        # In place and not recorded; then, when that is replaced, gone and not in place; then recorded and not tidied.
        late = [(f"torn copyfile modules|{moved}", 0), *((moved, later) for later in (1, 0, 2, 3))]
    else:
        early, late = [], [("os.rename .*/translations.txt$", later) for later in range(3)]
    early = [(pattern, 0) for pattern in early]
    targets = early + late
    if 2 * len(targets) > kills:
        targets = [targets[i] for i in sorted(dice.sample(range(len(targets)), kills // 2))]
    early, late = [one for one in targets if one in early], [one for one in targets if one in late]
    some = [None] * (kills - len(targets))
    if script not in STAGES:
        return late + some
    early += some[len(some) // 4 :]
    dice.shuffle(early)
    return early + late + some[: len(some) // 4]


def draw(script: str, processes: int, dice: random.Random, took: float, reach: float) -> Kill:
    """Draw a moment for a kill: by the clock or by changes to files, from the start or from where training begins."""
    ranks = (0,) if processes == 1 else dice.choice([(0,), (1,), (0, 1)])
    trains = script in STAGES
    kinds = {
        "early": {"seconds": dice.uniform(0, took)},
        "seconds": {"after": CHARGED, "seconds": dice.uniform(0, (0.25 if trains else 0.08) * reach)},
    }
    if ranks == (0,) or (ranks == (1,) and trains):
        few = ranks == (1,) or not trains  # only the first process writes much
        kinds["changes"] = kinds["more changes"] = {"changes": dice.randrange(1 + int((9 if few else 90) * reach))}
    return Kill(ranks, share=dice.random(), **kinds[dice.choice(list(kinds))])


class Entry:
    """What an entry's folder shows between two attempts; says what a kill must not have done."""

    def __init__(self, folder: Path):
        self.folder, self.record, self.clock = folder, None, None
        self.spent, self.interruptions = 0.0, 0

    def check(self) -> None:
        """Read what must be readable after any kill, and compare it with what was there before."""
        try:
            record = read_record(self.folder / "record.json")
        except FileNotFoundError:
            assert self.record is None, "the record is gone"
            record = None
        if self.record:
            for name, facts in self.record.stages.items():
                assert record.stages.get(name) == facts, f"the record lost {name}"
            assert record.test_openings >= self.record.test_openings, "the record lost an opening"
            assert record.score or not self.record.score, "the record lost the score"
            for name in record.stages:
                assert (self.folder / name / "model.safetensors").is_file(), f"{name} is gone"
        now = clock.Clock(self.folder / "clock.json", 60.0, writes=False)
        assert now.used >= self.spent and now.interruptions >= self.interruptions, "the clock went back"
        self.record, self.spent, self.interruptions = record, now.used, now.interruptions

    def position(self) -> tuple[int, int]:
        """Return how far the entry is: complete stages and score, and the newest whole checkpoint of the next stage."""
        stages = self.record.stages if self.record else {}
        paths = [path for path in self.folder.glob("under_way/*/checkpoint-*") if path.parent.name not in stages]
        whole = [int(path.name.split("-")[1]) for path in paths if damage(path) is None]
        return len(stages) + bool(stages and self.record.score), max(whole, default=0)

    def unsealed(self) -> list[str]:
        """Return the checkpoints that were not written to their end."""
        paths = self.folder.glob("under_way/*/checkpoint-*")
        return [path.name for path in paths if not (path / "complete.json").exists()]


def charged(first: Child) -> tuple[float, str]:
    """Return the seconds that the first process spent on the clock, and where its clock was when it ended."""
    seconds, since, state = 0.0, None, "clock stands"
    for stamp, what in first.lines:
        if what.startswith("clock "):
            state = what
            since = stamp if what == "clock runs" else since
            seconds += stamp - since if what == "clock stops" else 0.0
    if state == "clock runs":
        seconds += max(first.lines[-1][0], first.killed_at or 0.0) - since
    return seconds, state


def play_under_fire(name: str, processes: int, kills: int, dice: random.Random) -> dict:
    """Play an entry with kills, and after each one see to it that nothing is lost."""
    entry, landed, seconds, number = Entry(Path("runs") / name), [], 0.0, 0
    for script, flags in SCRIPTS.items():
        planned = plan(script, round(kills * SHARES[script]), dice)
        stale, took, tries = 0, 0.3 * processes, 5 * len(planned)
        # Where kills are many, attempts must be short, or the script ends before the kills are used up.
        pace = min(1.0, 10 / max(1, len(planned)))
        while True:
            number, tries = number + 1, tries - 1
            if entry.position()[1] > HALF.get(script, math.inf):  # before a stage ends what is to hit its end must come
                planned.sort(key=lambda target: target is None)
            is_last = not planned or tries < 0
            if is_last:
                kill = None
            elif planned[0]:
                kill = Kill(tuple(range(processes)), planned[0][0], changes=planned[0][1], share=dice.random())
            else:
                kill = draw(script, processes, dice, took, reach=pace * (1 + stale // 2))
            before, interruptions, began = entry.position(), entry.interruptions, time.monotonic()
            children = attempt([script, "--entry", name, *flags], processes, kill, Path(f"{name}-{number}.txt"))
            was_killed = any(child.code == -signal.SIGKILL for child in children)
            where = f"attempt {number}, {script}, {kill}: "
            try:
                entry.check()
                assert entry.position() >= before, f"was at {before}, is at {entry.position()}"
            except Exception as error:
                raise AssertionError(f"{where}{error}") from error
            stale = 0 if entry.position() > before else stale + 1
            spent, state = charged(children[0])
            seconds += spent
            if is_last:
                assert not was_killed, f"{where}killed by someone else"
                break
            if was_killed or planned[0]:
                planned.pop(0)
            if not was_killed:
                took = time.monotonic() - began
                continue
            new = entry.interruptions - interruptions
            # While the clock is being started or stopped, a kill may come on either side of its write.
            allowed = {"clock runs": (1,), "clock stands": (0,)}.get(state, (0, 1))
            assert new in allowed, f"{where}{new} interruptions were counted; {state}"
            last = [child.lines[-1][1] if child.lines else "the start" for child in children]
            landed.append(
                {
                    "script": script,
                    "ranks": kill.ranks,
                    "by": "clock" if kill.changes is None else "change",
                    "at": last[next(rank for rank, child in enumerate(children) if child.code == -signal.SIGKILL)],
                    "clock": state,
                    "position": entry.position(),
                    "unsealed": entry.unsealed(),
                }
            )
    return {"kills": landed, "attempts": number, "seconds": seconds}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    torch.set_num_threads(1)
    dice = random.Random(asked.seed)
    torn = play_under_fire("torn", asked.processes, asked.kills, dice)
    whole = play_under_fire("whole", asked.processes, 0, dice)
    print(json.dumps({"whole": whole, "torn": torn}))


if __name__ == "__main__":
    main()
