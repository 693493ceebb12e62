"""Part `tuning`: the best complete entry so far, minute by minute: our search beside other ways to spend the time.

    python -m tools.bench tuning --minutes 10 --repeats 5

ours: python -m tools.tune. random, tpe: whole entries, their ten values from Optuna's samplers. trainer: the library's
Trainer.hyperparameter_search on the fine-tune. Every run has a process of its own and is kept in .cache/bench/ as soon
as it is over: the same command goes on after an interruption, and with more --repeats or --rivals it adds to them. So
do several commands at a time, each kept to cores of its own (taskset -c 0 python ...), with different --rivals.
"""

import hashlib
import json
import math
import shutil
import statistics
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from league.errors import UserError
from league.files import digest_of, write_json
from league_config import AING, DEMO, LEAGUES, League
from tools.bench.setting import Bench, BenchOptions, cache_folder, describe_machine
from tools.bench.shared import ROOT, once, progress, spread

JOBS = {
    "ours": ("tuning.ours", {}),
    "random": ("tuning.whole_entries", {"sampler": "RandomSampler"}),
    "tpe": ("tuning.whole_entries", {"sampler": "TPESampler"}),
    "trainer": ("tuning.trainer", {}),
}
SHARED_CODE = ("space", "speed", "study", "trial")
OUR_CODE = ("__main__", "plan", "presence", "search", *SHARED_CODE)
LOOKS = {  # line, hatch of the band, color: told apart without the last one
    "ours": ("-", None, "#000000"),
    "random": ("--", "///", "#b04a00"),
    "tpe": ("-.", "\\\\\\", "#0b5fa5"),
    "trainer": (":", "...", "#0b7a41"),
}
Points = Sequence[tuple[float, float]]  # minute, BLEU


@dataclass
class TuningOptions(BenchOptions):
    minutes: float = field(default=10.0, metadata={"help": "tuning: of each search, without its preparation"})
    repeats: int = field(default=5, metadata={"help": "tuning: searches of each rival, each with a seed of its own"})
    rivals: list[str] = field(
        default_factory=lambda: list(JOBS), metadata={"choices": list(JOBS), "help": "tuning: who takes part"}
    )


def check(options: TuningOptions) -> None:
    """Refuse what cannot be compared, before any work."""
    most = league_of(options).minutes
    if not 0 < options.minutes <= most:
        raise UserError(f"--minutes {options.minutes:g}: must be above 0, and no more than the league's {most:g}.")
    if options.repeats < 1:
        raise UserError(f"--repeats {options.repeats}: must be at least 1.")
    if len(set(options.rivals)) < len(options.rivals):
        raise UserError(f"--rivals {' '.join(options.rivals)}: each at most once.")


def league_of(options: BenchOptions) -> League:
    return AING if options.data_dir else DEMO


# Step functions: the best BLEU so far, and 0 where nothing could be scored yet


def on_grid(points: Points, grid: Sequence[float]) -> list[float]:
    """Return the best BLEU so far at each minute of the grid."""
    return [max((bleu for minute, bleu in points if minute <= now), default=0.0) for now in grid]


def common_grid(runs: Sequence[Points], minutes: float) -> list[float]:
    """Return every minute at which a run may have changed, up to the end: between them, all of them stand still."""
    return sorted({0.0, minutes, *(minute for points in runs for minute, _ in points if minute <= minutes)})


def merge(runs: Sequence[Points], grid: Sequence[float]) -> dict[str, list[float]]:
    """Return median and range of some runs at each minute of the grid."""
    columns = list(zip(*(on_grid(points, grid) for points in runs), strict=True))
    return {name: list(map(of, columns)) for name, of in (("median", statistics.median), ("min", min), ("max", max))}


def time_to_reach(grid: Sequence[float], values: Sequence[float], level: float) -> float | None:
    """Return the first minute at which a curve is at the level, or None."""
    return next((minute for minute, value in zip(grid, values, strict=True) if value >= level), None)


# The comparison


def measure(bench: Bench) -> dict[str, Any]:
    options, rules = bench.options, league_of(bench.options)
    folder = searches_folder(bench, rules)
    todo = in_turn(options.rivals, options.repeats)
    codes = {rival: code_of(rival) for rival in options.rivals}
    runs: dict[str, list[dict]] = {rival: [] for rival in codes}
    for number, (rival, repeat) in enumerate(todo, 1):
        path = folder / f"{rival}-{repeat}-{codes[rival]}.json"
        if not path.exists():
            progress(f"tuning: search {number} of {len(todo)}, {rival}, repeat {repeat}")
            write_json(path, play(bench, rules, rival, repeat))
        runs[rival].append(json.loads(path.read_text(encoding="utf-8")))
    progress(f"tuning: every search is kept in .cache/bench/{folder.name}")
    rows, curves = compare(runs, options.minutes)
    draw(curves, options.minutes, folder.with_name("tuning"))
    return {"notes": notes(options, rules), "rows": rows, "curves": curves, "runs": runs}


def in_turn(rivals: Sequence[str], repeats: int) -> list[tuple[str, int]]:
    """Return who searches when: all in each repeat, which begins with another one every time."""
    order = []
    for repeat in range(1, repeats + 1):
        first = (repeat - 1) % len(rivals)
        order += [(rival, repeat) for rival in (*rivals[first:], *rivals[:first])]
    return order


def searches_folder(bench: Bench, rules: League) -> Path:
    """Return the folder of the searches which can be compared with those to come."""
    environment = describe_machine()
    del environment["code"]  # which each search has of its own
    folder = cache_folder("tuning", bench.data_dir, rules.fixed(), bench.options.minutes, environment)
    folder.mkdir(exist_ok=True)
    return folder


def code_of(rival: str) -> str:
    """Return the digest of the code that a search runs, but for this file: the table may change after hours of it."""
    from league.evidence import code_digest

    names = OUR_CODE if rival == "ours" else SHARED_CODE
    digests = [code_digest(), *(digest_of(ROOT / "tools" / "tune" / f"{name}.py") for name in names)]
    return hashlib.sha256("".join(digests).encode()).hexdigest()[:16]


def play(bench: Bench, rules: League, rival: str, repeat: int) -> dict[str, Any]:
    """Let a rival search, in a folder where it finds nothing that another one has left."""
    data_dir = str(bench.data_dir) if bench.options.data_dir else None
    job, more = JOBS[rival]
    shared = {"league": rules.name, "data_dir": data_dir, "minutes": bench.options.minutes, "seed": repeat}
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix=f"{rival}-", dir=bench.folder) as folder:
        found = once(job, Path(folder), **shared, **more)
    found["entries"] = [one for one in found["entries"] if one["minute"] <= bench.options.minutes]
    return {"rival": rival, "repeat": repeat, "seconds": round(time.monotonic() - started, 1), **found}


def compare(runs: dict[str, list[dict]], minutes: float) -> tuple[list[dict], dict[str, dict]]:
    """Return the table, and each rival's curves."""
    points = {
        rival: [[(one["minute"], one["bleu"]) for one in run["entries"]] for run in runs[rival]] for rival in runs
    }
    grid = common_grid([one for several in points.values() for one in several], minutes)
    curves = {rival: {"minute": grid} | merge(several, grid) for rival, several in points.items()}
    rows = []
    for rival, curve in curves.items():
        final = spread([on_grid(one, [minutes])[0] for one in points[rival]])
        row = {"arm": rival, "trials": spread([run["trials"] for run in runs[rival]])}
        row |= {"complete entries": spread([len(one) for one in points[rival]]), "final BLEU": final}
        level = final["median"] or math.inf  # nothing was complete: there is nothing to reach
        row["there at min"] = time_to_reach(grid, curve["median"], level)
        if "ours" in curves and rival != "ours":
            row["ours there at min"] = time_to_reach(grid, curves["ours"]["median"], level)
            row["share of time"] = row["ours there at min"] and row["ours there at min"] / minutes
        if scores := [run["score"] for run in runs[rival] if "score" in run]:
            good = sum(score["official"] and not score["failed_checks"] for score in scores)
            row |= {"test BLEU": spread([score["test_bleu"] for score in scores]), "proven": f"{good} of {len(scores)}"}
        rows.append(row)
    return rows, curves


def notes(options: TuningOptions, rules: League) -> list[str]:
    return [
        f"the {rules.name} league, {options.minutes:g} minutes each, seeds 1 to {options.repeats}; median (min..max)",
        "BLEU on validation captions of the best entry with both stages in full, under the official settings; 0: none",
        "there: the median curve is at the rival's final median; ours keeps time for the score, the others use it up",
        "ours ends with its score on the test set; proven: official, and python -m tools.verify finds nothing wrong",
        "trainer: start structure; what it found best so far is fine-tuned anew as an entry, off its clock",
        "curves: .cache/bench/tuning.png and .svg",
    ]


def draw(curves: dict[str, dict], minutes: float, path: Path) -> None:
    """Draw each rival's curves beside ours, with the minute at which ours is where the rival ends."""
    from matplotlib.figure import Figure

    rivals = [rival for rival in curves if rival != "ours"] or ["ours"]
    figure = Figure(figsize=(4 * len(rivals) + 0.5, 4), layout="constrained")
    panels = figure.subplots(1, len(rivals), sharex=True, sharey=True, squeeze=False)[0]
    for axes, rival in zip(panels, rivals, strict=True):
        for name in dict.fromkeys((rival, "ours")):
            if name in curves:
                draw_curve(axes, name, curves[name])
        if "ours" in curves and rival != "ours":
            draw_meeting(axes, curves["ours"], curves[rival]["median"][-1])
        axes.set(xlabel="minutes of search", xlim=(0, 1.02 * minutes))
        axes.legend(loc="lower right", frameon=False)
        axes.spines[["top", "right"]].set_visible(False)
    panels[0].set_ylabel("best validation BLEU so far (captions)")
    for kind in ("png", "svg"):
        figure.savefig(path.with_suffix(f".{kind}"), dpi=150)


def draw_curve(axes, name: str, curve: dict[str, list[float]]) -> None:
    line, hatch, color = LOOKS[name]
    shown = {side: [value or math.nan for value in curve[side]] for side in ("median", "min", "max")}
    axes.step(curve["minute"], shown["median"], line, where="post", color=color, linewidth=2, label=name, zorder=3)
    band = {"facecolor": "#dedede", "linewidth": 0} if hatch is None else {"facecolor": "none", "edgecolor": color}
    sides = curve["minute"], shown["min"], shown["max"]
    axes.fill_between(*sides, step="post", hatch=hatch, alpha=0.6, zorder=1 + bool(hatch), **band)


def draw_meeting(axes, ours: dict[str, list[float]], level: float) -> None:
    minute = time_to_reach(ours["minute"], ours["median"], level)
    axes.axhline(level, color="#808080", linewidth=0.8, zorder=2)
    if level and minute:
        axes.plot([minute], [level], "o", color="black", markerfacecolor="white", zorder=4)
        box = {"facecolor": "white", "edgecolor": "none", "pad": 1.5}
        words = {"textcoords": "offset points", "ha": "right", "bbox": box, "zorder": 5}
        axes.annotate(f"{minute:.1f} min", (minute, level), (-7, 7), **words)


# Jobs


def ours(channel, league: str, data_dir: str | None, minutes: float, seed: int) -> None:
    """Job: our own search, with the score at its end and the proof of it, which is off the clock."""
    from league.entry import RUNS
    from league.proof import checks
    from league.schema import read_record
    from tools.tune.__main__ import main

    where = ["--data_dir", data_dir] if data_dir else []
    main(["--league", league, "--entry", "ours", "--minutes", str(minutes), "--seed", str(seed), *where])
    folder = RUNS / "ours"
    study = json.loads((folder / "tune" / "study.json").read_text(encoding="utf-8"))
    failed = [check.name for check in checks(folder, data_dir) if check.problems]
    minutes = read_record(folder / "record.json")["clock"]["minutes"]
    score = study["final"] | {"minutes": minutes, "failed_checks": failed}
    channel.answer(entries=complete_entries(study), trials=len(study["trials"]), score=score)


def complete_entries(study: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the fine-tunes in full of a search, whose structures are trained in full as well."""
    entries = []
    for trial in study["trials"]:
        if (trial["stage"], trial["fidelity"], trial["state"]) == ("finetune", 1, "complete"):
            values = {"pretrain": trial["structure"], "finetune": trial["values"]}
            entries.append({"minute": trial["ended_minute"], "bleu": trial["bleu"], **values})
    return entries


class Contest:
    """What the other rivals share: the league's own trials in full, and a clock that starts when the data are there."""

    def __init__(self, league: str, data_dir: str | None, minutes: float, seed: int):
        from league import hardware
        from league.entry import RUNS, Entry
        from league.loading import load, load_validation
        from tools.tune import trial
        from train_finetune import FinetuneOptions

        hardware.prepare_process()
        self.rules, self.folder, self.seed = LEAGUES[league], RUNS / "rival", seed
        options = FinetuneOptions(league=league, entry="rival", data_dir=data_dir, seed=seed)
        entry = Entry(options)
        trial.load_data(entry)
        self.captions, self.talks = (
            load(entry, stage.corpus, "train") for stage in (self.rules.pretrain, self.rules.finetune)
        )
        self.validation = load_validation(entry)
        self.trials = trial.Bench(self.rules, options, "rival", entry.splits)
        self.seconds, self.began = 60 * minutes, time.monotonic()

    @property
    def used(self) -> float:
        return time.monotonic() - self.began

    @property
    def left(self) -> float:
        return self.seconds - self.used

    def run(self, stage: str, values: dict, name: str, base: str | None = None, seconds: float | None = None) -> dict:
        """Run a stage in full, in what is left of the time unless told otherwise; return what came of it."""
        limit = self.left if seconds is None else seconds
        return self.trials.run(stage, values, 1.0, self.folder / name, limit, base and self.folder / base)

    def play(self, values: dict[str, dict], number: int) -> dict[str, Any]:
        """Play both stages, as far as they come; return what came of the last one."""
        base = None
        for stage in ("pretrain", "finetune"):
            name = f"{number}-{stage}"
            outcome = self.run(stage, values[stage], name, base)
            if outcome["state"] != "complete":
                break
            base = name
        shutil.rmtree(self.folder)
        return outcome


def whole_entries(channel, sampler: str, seed: int, **where: Any) -> None:
    """Job: one whole entry after the other, with values that a sampler picks; the start values first."""
    import optuna

    from tools.tune.space import KINDS, start_values, why_not
    from tools.tune.study import distributions, from_params, to_params

    contest = Contest(seed=seed, **where)
    # Until it has seen ten, TPE is a random search: from the same seed, it would be the other rival's very own.
    seed = 2 * seed + (sampler == "TPESampler")
    study = optuna.create_study(direction="maximize", sampler=getattr(optuna.samplers, sampler)(seed=seed))
    study.enqueue_trial({name: one for stage in KINDS for name, one in to_params(stage, start_values(stage)).items()})
    spans = {name: one for stage in KINDS for name, one in distributions(stage).items()}
    entries, trials = [], 0
    while contest.left > 0:
        trial = study.ask(spans)
        values = {stage: from_params(stage, trial.params) for stage in KINDS}
        if any(why_not(stage, values[stage], contest.rules) for stage in KINDS):
            study.tell(trial, state=optuna.trial.TrialState.FAIL)
            continue
        trials += 1
        outcome, minute = contest.play(values, trials), contest.used / 60
        if outcome["state"] == "complete":
            entries.append({"minute": minute, "bleu": outcome["bleu"], **values})
        worth = {"complete": outcome["bleu"], "diverged": 0.0}.get(outcome["state"])
        study.tell(trial, worth, state=None if worth is not None else optuna.trial.TrialState.FAIL)
        channel.say(f"minute {minute:.1f}: entry {trials}, {outcome['reason'] or outcome['bleu']}")
    channel.answer(entries=entries, trials=trials)


def trainer(channel, **where: Any) -> None:
    """Job: the library's own search for the fine-tune, from the start structure, as its guides show it."""
    from tools.tune.space import start_values

    contest = Contest(**where)
    structure, entries, found = start_values("pretrain"), [], []
    if contest.run("pretrain", structure, "start")["state"] == "complete":
        found = search_with_trainer(contest, "start")
    for number, one in enumerate(improvements(found)):
        # What the library reads off its trials is not what an entry with these values gets: it drops some of them.
        played = contest.run("finetune", one["finetune"], str(number), "start", seconds=math.inf)
        if played["state"] == "complete":
            entries.append({"minute": one["minute"], "bleu": played["bleu"], "pretrain": structure, **one})
    channel.answer(entries=entries, trials=len(found))


def improvements(found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the trials that were the best ones when they ended; the last one may not have ended."""
    ended = [one for one in found if one["minute"] is not None]
    return [one for number, one in enumerate(ended) if all(one["told"] > other["told"] for other in ended[:number])]


class TimeIsOver(Exception):
    pass


def search_with_trainer(contest: Contest, base: str) -> list[dict[str, Any]]:
    """Search until the time is over; return values, BLEU as the library tells it, and minute of each trial."""
    import optuna
    from transformers import TrainerCallback

    from tools.trainer_search import suggest

    found, max_steps = [], contest.rules.finetune.arguments["max_steps"]

    class Deadline(TrainerCallback):
        # `timeout` would let the last trial run to its end.
        def on_step_end(self, args, state, control, **kwargs):
            if contest.left <= 0:
                raise TimeIsOver

        on_prediction_step = on_step_end

    def hp_space(trial):
        found.append({"finetune": suggest(trial, max_steps), "told": None, "minute": None})
        return found[-1]["finetune"]

    def compute_objective(metrics):
        found[-1] |= {"told": metrics["eval_bleu"], "minute": contest.used / 60}
        return found[-1]["told"]

    plain = plain_trainer(contest, base, Deadline())
    sampler = optuna.samplers.TPESampler(seed=contest.seed)
    named = {"direction": "maximize", "backend": "optuna", "n_trials": 1_000_000, "sampler": sampler}
    try:
        plain.hyperparameter_search(hp_space=hp_space, compute_objective=compute_objective, **named)
    except TimeIsOver:
        return found


def plain_trainer(contest: Contest, base: str, callback):
    """Return a Seq2SeqTrainer on the league's batches and precision, judged by BLEU on captions."""
    import numpy as np
    from sacrebleu import corpus_bleu
    from transformers import Seq2SeqTrainer, Seq2SeqTrainingArguments

    from league import loading, training
    from league.batches import PairCollator, TrainingOrder
    from tools.tune.space import start_values

    rules, stage = contest.rules, contest.rules.finetune
    captions = contest.validation[rules.pretrain.corpus.domain]
    entry = contest.trials.entry(contest.folder / "search", rules, "")
    fixed = training.fixed_arguments(entry, stage, "finetune")
    checkpoint = contest.folder / base / "pretrain"
    model, tokenizer = loading.load_checkpoint(checkpoint, rules)
    tokens = {split.name: loading.tokenize(entry, split, tokenizer) for split in (contest.talks, captions)}

    def load_model():
        fresh, _ = loading.load_checkpoint(checkpoint, rules)
        loading.prepare_model(fresh, rules)
        return fresh

    def compute_metrics(prediction):
        ids = np.where(prediction.predictions < 0, tokenizer.pad_token_id, prediction.predictions)
        texts = tokenizer.batch_decode(ids, skip_special_tokens=True)
        return {"bleu": corpus_bleu(texts, [list(captions.targets)]).score}

    order = TrainingOrder(tokens[contest.talks.name], rules.batch_size, stage.arguments["max_steps"], contest.seed)
    return Seq2SeqTrainer(
        model_init=load_model,
        args=Seq2SeqTrainingArguments(**fixed, **start_values("finetune")),
        train_dataset=order,
        eval_dataset=tokens[captions.name],
        data_collator=PairCollator(model),
        processing_class=tokenizer,
        compute_metrics=compute_metrics,
        callbacks=[callback],
    )
