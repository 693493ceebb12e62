"""The searches that part `tuning` compares, each a job in a process of its own: ours, and three others."""

import json
import math
import shutil
import time
from typing import Any

from league.tasks.task import task_of
from league_config import LEAGUES


def ours(channel, league: str, data_dir: str | None, minutes: float, seed: int) -> None:
    """Job: our own search, with the score at its end and the proof of it, which is off the clock."""
    from league.proof.checks import checks
    from league.proof.data import DataAtHand
    from league.record.shape import read_record
    from league.run.entry import RUNS
    from tools.tune.__main__ import main

    where = ["--data_dir", data_dir] if data_dir else []
    main(["--league", league, "--entry", "ours", "--minutes", str(minutes), "--seed", str(seed), *where])
    folder = RUNS / "ours"
    study = json.loads((folder / "tune" / "study.json").read_text(encoding="utf-8"))
    failed = [check.name for check in checks(folder, DataAtHand(data_dir)) if check.problems]
    minutes = read_record(folder / "record.json").clock.minutes
    score = study["final"] | {"minutes": minutes, "failed_checks": failed}
    channel.answer(entries=complete_entries(study), trials=len(study["trials"]), score=score)


def complete_entries(study: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the fine-tunes in full of a search, whose structures are trained in full as well."""
    entries = []
    for trial in study["trials"]:
        if (trial["stage"], trial["fidelity"], trial["state"]) == ("finetune", 1, "complete"):
            values = {"pretrain": trial["structure"], "finetune": trial["values"]}
            entries.append({"minute": trial["ended_minute"], "validation": trial["validation"], **values})
    return entries


class Contest:
    """What the other rivals share: the league's own trials in full, and a clock that starts when the data are there."""

    def __init__(self, league: str, data_dir: str | None, minutes: float, seed: int):
        from league import hardware
        from league.record.folder import RUNS
        from tools.tune import trial
        from train_finetune import FinetuneOptions

        hardware.prepare_process()
        self.rules, self.folder, self.seed = LEAGUES[league], RUNS / "rival", seed
        options = FinetuneOptions(league=league, entry="rival", data_dir=data_dir, seed=seed)
        splits = trial.load_data(self.rules, data_dir)
        self.captions, self.talks = (
            splits.load(stage.corpus, "train") for stage in (self.rules.pretrain, self.rules.finetune)
        )
        self.validation = splits.validation(self.rules, "finetune")
        self.runner = trial.Runner(self.rules, options, "rival", splits)
        self.seconds, self.began = 60 * minutes, time.monotonic()

    @property
    def used(self) -> float:
        return time.monotonic() - self.began

    @property
    def left(self) -> float:
        return self.seconds - self.used

    def run(self, stage: str, values: dict, name: str, base: str | None = None, seconds: float | None = None) -> dict:
        """Run a stage in full, in what is left of the time or in so many seconds; return what came of it."""
        from tools.tune.trial import Attempt

        limit = self.left if seconds is None else seconds
        attempt = Attempt(stage, values, 1.0, self.folder / name, limit, base and self.folder / base)
        return self.runner.run(attempt)

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

    from league.rulebook import STAGES
    from tools.tune.sampling import START_UP, distributions, from_params, to_params
    from tools.tune.space import start_values, why_not

    contest = Contest(seed=seed, **where)
    # TPE begins to learn as early as in our search: with Optuna's usual ten trials it hardly would. Until then it is a
    # random search, and from the same seed the other rival's very own.
    seed = 2 * seed + (sampler == "TPESampler")
    more = {"n_startup_trials": START_UP, "multivariate": True} if sampler == "TPESampler" else {}
    study = optuna.create_study(direction="maximize", sampler=getattr(optuna.samplers, sampler)(seed=seed, **more))
    rules = contest.rules
    spans = {stage: rules.ranges(stage) for stage in STAGES}
    start = [to_params(spans[stage], start_values(rules, stage)) for stage in STAGES]
    study.enqueue_trial({name: value for params in start for name, value in params.items()})
    both = {name: span for stage in STAGES for name, span in distributions(spans[stage]).items()}
    entries, trials = [], 0
    while contest.left > 0:
        trial = study.ask(both)
        values = {stage: from_params(spans[stage], trial.params) for stage in STAGES}
        if any(why_not(rules, stage, values[stage]) for stage in STAGES):
            study.tell(trial, state=optuna.trial.TrialState.FAIL)
            continue
        trials += 1
        outcome, minute = contest.play(values, trials), contest.used / 60
        if outcome["state"] == "complete":
            entries.append({"minute": minute, "validation": outcome["validation"], **values})
        worth = {"complete": outcome["validation"], "diverged": 0.0}.get(outcome["state"])
        study.tell(trial, worth, state=None if worth is not None else optuna.trial.TrialState.FAIL)
        channel.say(f"minute {minute:.1f}: entry {trials}, {outcome['reason'] or outcome['validation']}")
    channel.answer(entries=entries, trials=trials)


def trainer(channel, **where: Any) -> None:
    """Job: the library's own search for the fine-tune, from the start structure, as its guides show it."""
    from tools.tune.space import start_values

    contest = Contest(**where)
    structure, entries, trials = start_values(contest.rules, "pretrain"), [], []
    if contest.run("pretrain", structure, "start")["state"] == "complete":
        trials = search_with_trainer(contest, "start")
    for number, one in enumerate(improvements(trials)):
        # What the library reads off its trials is not what an entry with these values gets: it drops some of them.
        played = contest.run("finetune", one["finetune"], str(number), "start", seconds=math.inf)
        if played["state"] == "complete":
            entries.append({"minute": one["minute"], "validation": played["validation"], "pretrain": structure, **one})
    channel.answer(entries=entries, trials=len(trials))


def improvements(trials: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the trials that were the best ones when they ended; the last one may not have ended."""
    ended = [one for one in trials if one["minute"] is not None]
    return [one for number, one in enumerate(ended) if all(one["bleu"] > other["bleu"] for other in ended[:number])]


class TimeIsOver(Exception):
    pass


def search_with_trainer(contest: Contest, base: str) -> list[dict[str, Any]]:
    """Search until the time is over; return values, minute and BLEU of each trial, as the library computes it."""
    import optuna
    from transformers import TrainerCallback

    from tools.trainer_search.trials import suggest

    trials = []

    class Deadline(TrainerCallback):
        # `timeout` would let the last trial run to its end.
        def on_step_end(self, args, state, control, **kwargs):
            if contest.left <= 0:
                raise TimeIsOver

        on_prediction_step = on_step_end

    def hp_space(trial):
        trials.append({"finetune": suggest(trial, contest.rules), "bleu": None, "minute": None})
        return trials[-1]["finetune"]

    def compute_objective(metrics):
        trials[-1] |= {"bleu": metrics["eval_bleu"], "minute": contest.used / 60}
        return trials[-1]["bleu"]

    plain = plain_trainer(contest, base, Deadline())
    sampler = optuna.samplers.TPESampler(seed=contest.seed)
    named = {"direction": "maximize", "backend": "optuna", "n_trials": 1_000_000, "sampler": sampler}
    try:
        plain.hyperparameter_search(hp_space=hp_space, compute_objective=compute_objective, **named)
    except TimeIsOver:
        return trials


def plain_trainer(contest: Contest, base: str, callback):
    """Return a Seq2SeqTrainer on the league's batches and precision, judged by BLEU on captions."""
    import numpy as np
    from sacrebleu import corpus_bleu
    from transformers import Seq2SeqTrainer, Seq2SeqTrainingArguments

    from league.data.batches import PairCollator, TrainingOrder
    from league.run import loading
    from league.run import stage as training
    from league.run.entry import Conduct
    from tools.tune.space import start_values

    rules, stage = contest.rules, contest.rules.finetune
    captions = contest.validation[rules.pretrain.corpus.domain]
    entry = contest.runner.entry(contest.folder / "search", rules, Conduct(is_quiet=True))
    fixed = training.fixed_arguments(entry, rules, "finetune")
    checkpoint = contest.folder / base / "pretrain"
    model, tokenizer = task_of(rules).load_checkpoint(checkpoint)
    tokens = {split.name: loading.tokenize(task_of(rules), split, tokenizer) for split in (contest.talks, captions)}

    def load_model():
        fresh, _ = task_of(rules).load_checkpoint(checkpoint)
        task_of(rules).prepare(fresh)
        return fresh

    def compute_metrics(prediction):
        ids = np.where(prediction.predictions < 0, tokenizer.pad_token_id, prediction.predictions)
        texts = tokenizer.batch_decode(ids, skip_special_tokens=True)
        return {"bleu": corpus_bleu(texts, [list(captions.targets)]).score}

    order = TrainingOrder(tokens[contest.talks.name], rules.batch_size, stage.arguments["max_steps"], contest.seed)
    return Seq2SeqTrainer(
        model_init=load_model,
        args=Seq2SeqTrainingArguments(**fixed, **start_values(rules, "finetune")),
        train_dataset=order,
        eval_dataset=tokens[captions.name],
        data_collator=PairCollator(model),
        processing_class=tokenizer,
        compute_metrics=compute_metrics,
        callbacks=[callback],
    )
