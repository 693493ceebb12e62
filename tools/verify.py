"""Prove a record, or refute it: rules, files, data, clock, and the same predictions and score from the same weights.

    python -m tools.verify runs/mine
    python -m tools.verify runs/mine --retrain
    python -m tools.verify runs/one runs/two runs/three --retrain --workers auto

Without --retrain it takes a minute or two, and shows that this checkpoint earns this score by these rules. That the
checkpoint comes from this training shows only --retrain, which plays the whole entry again; several workers play an
entry each at a time: docs/cluster.md. Nothing of the entry is run or changed. Exit code: 0 proven, 1 refuted,
2 neither, because something was missing, a script failed, or seeds may explain what another machine comes to.
"""

import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from league.cli.options import parse_options
from league.errors import NotAtHand, UserError, run_command
from league.record.shape import Record, read_record
from league.rulebook import League
from league.values import DataDirOptions
from tools.workers import WorkerOptions, open_team

# Times as far apart as two runs may be 19 times out of 20: with a deviation that five seeds have shown, chance reaches
# there once in a thousand times (Student's t of four degrees, 8.61 to 2.78).
BEYOND_CHANCE = 3.1


@dataclass
class VerifyOptions(DataDirOptions):
    retrain: bool = field(default=False, metadata={"help": "also play the whole entry again, from its record"})


def main(argv: list[str] | None = None) -> None:
    words = {"entry": {"nargs": "+", "help": "folder of an entry: runs/NAME, or wherever it was unpacked"}}
    options, several, named = parse_options(__doc__, VerifyOptions, WorkerOptions, argv=argv, words=words)
    if several.are_several and not options.retrain:
        raise UserError("--workers and --cluster share out what --retrain plays: without it there is nothing to share.")

    # Before this process keeps to one of the GPUs.
    with open_team(several) as team:
        from league import hardware
        from league.proof.checks import read_scored_entry
        from league.tasks.metric import metric_of

        hardware.prepare_process()
        # All are read before the first one's minutes.
        proofs = [Proof(folder, *read_scored_entry(folder)) for folder in map(Path, named.entry)]
        for proof in proofs:
            if len(proofs) > 1:
                print(proof.folder)
            judge(proof, options.data_dir)
        if options.retrain:
            retrain([proof for proof in proofs if not (proof.failed or proof.unproven)], options.data_dir, team)
    for proof in proofs:
        record = proof.record
        if proof.failed:
            print(f"REFUTED: {f'{proof.folder}, ' if len(proofs) > 1 else ''}{proof.failed} check(s) failed.")
        elif proof.unproven:
            print(f"NOT PROVEN: {proof.folder}, {proof.unproven.rstrip('.')}.")
        else:
            state = "official" if record.official else "open"
            print(f"PROVEN: {record.entry}, {metric_of(proof.league).LABEL} {record.score.value:.2f}, {state}.")
    if any(proof.failed for proof in proofs):
        sys.exit(1)
    if any(proof.unproven for proof in proofs):
        sys.exit(2)


@dataclass
class Proof:
    """What became of an entry's checks so far."""

    folder: Path
    record: Record
    league: League
    failed: int = 0
    unproven: str = ""  # why it could not be judged, or why playing it again has shown nothing

    def show(self, check: Any) -> None:
        """Print a check, and count it where it failed."""
        print(f"{'FAILED' if check.problems else 'ok':<7} {check.name}")
        for problem in check.problems:
            print(f"        {problem}")
        self.failed += bool(check.problems)


def judge(proof: Proof, data_dir: str | None) -> None:
    """Check an entry as far as it needs no training."""
    from league.hardware import is_of_machine
    from league.proof.checks import Check, checks
    from league.proof.data import DataAtHand
    from league.record.code import code_digest

    if proof.record.code != code_digest(proof.league):
        print("note    the record was made with other code than this, which judges it")
    try:
        for check in checks(proof.folder, DataAtHand(data_dir)):
            proof.show(check)
    except NotAtHand as unknown:
        proof.unproven = str(unknown)
    except UserError as error:
        proof.show(Check("what is needed is there and whole", [str(error)]))
    except Exception as error:
        if not is_of_machine(error):
            raise
        proof.unproven = f"the proof broke off: {type(error).__name__}: {error}"


def retrain(proofs: list[Proof], data_dir: str | None, team: Any) -> None:
    """Play entries again in a folder of their own, and show how they differ."""
    from league.proof.checks import Check
    from tools.replay import again, replay_all

    with tempfile.TemporaryDirectory() as elsewhere:
        replays = []
        for number, proof in enumerate(proofs):
            try:
                what = again(proof.record, f"again-{number}", proof.record.asked.get("seed", 1), Path(elsewhere))
                replays.append((proof, what))
            except UserError as error:
                proof.show(Check("it can be played again", [str(error)]))
        failed = replay_all([what for _, what in replays], data_dir, team)
        for proof, what in replays:
            if len(proofs) > 1:
                print(proof.folder)
            if what.entry in failed:
                proof.unproven = f"played again it came to no end: {failed[what.entry]}"
                continue
            played = read_record(what.home / "record.json")
            try:
                proof.show(Check("trained again it comes to the same", differences(proof.record, played)))
            except NotAtHand as unknown:
                proof.unproven = str(unknown)


def differences(record: Record, again: Record) -> list[str]:
    """Return in how far an entry that was played again is another one."""
    from league.proof.noise import noise_of

    league, before, after = record.league, record.score.value, again.score.value
    weights = [played.stages["finetune"].sha256["model.safetensors"] for played in (record, again)]
    if weights[0] == weights[1]:
        print("the weights are the same to the last bit")
        return []
    # Another processor, another number of processes or a GPU rounds otherwise, and training amplifies it.
    noise, apart = noise_of(league.name, league.version), abs(after - before)
    scores = f"the weights differ; the score is {after:.2f} this time, {before:.2f} in the record"
    known = f"seeds explain {noise.reach:.2f}" if noise else "what seeds explain was never measured for this league"
    for played, which in ((record, "the record's"), (again, "this time's")):
        if any(stage.out_of_time for stage in played.stages.values()):
            raise NotAtHand(f"{scores}; the clock cut {which} training short: play it again on a machine like its own")
    if noise and apart <= noise.reach:
        print(f"{scores}; {known}")
        return []
    if noise and apart > BEYOND_CHANCE * noise.reach:
        return [f"{scores}; {known}"]
    raise NotAtHand(f"{scores}; {known}: play it again on a machine like its own")


if __name__ == "__main__":
    run_command(main)
