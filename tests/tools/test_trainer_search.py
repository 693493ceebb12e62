"""The library's own search: in our form all five values of the fine-tune apply in every trial, in its own not."""

import os
import shlex
from pathlib import Path

import optuna
import pytest
from play import TINY, play
from transformers import Seq2SeqTrainer, Seq2SeqTrainingArguments, TrainerCallback
from tunables import SCHEDULE

from league.cli.options import parse_options
from league.errors import Interrupted, UserError
from league.files import digests_of
from league.record.clock import Clock
from league.record.rules import scheduled_rate
from league.record.shape import read_record
from league.run import loading, takeover, validation
from league.run.entry import Entry
from league.run.evidence import training_in_effect
from league.tasks.loss import SmoothedLoss
from league.tasks.task import task_of
from league.untrusted import read_json
from league.values import TrainingOptions
from league_config import FinetuneHP
from tools.trainer_search import trials as trainer_search
from tools.trainer_search.trials import build_trainer
from train_finetune import FinetuneOptions

MAX_STEPS = TINY.finetune.arguments["max_steps"]
MENDED = "the library does it by itself now: tools/trainer_search/trials.py can be simpler"
TRIALS = [
    dict(zip(SCHEDULE, values, strict=True))
    for values in (
        (1e-3, "cosine", 0.35, 0.1, 0.3),
        (1e-4, "linear", 2, 0.0, 0.1),  # what the fixture's entry was fine-tuned with
        (3e-4, "constant_with_warmup", 0.06, 0.05, 0.0),
        (1e-3, "inverse_sqrt", 5, 0.0, 0.3),
    )
]


@pytest.fixture
def two(played, tmp_path, monkeypatch) -> Path:
    """An entry `two` with a complete stage A, beside the whole entry `one`; here."""
    (tmp_path / "runs").mkdir()
    for name in ("one", ".cache"):
        (tmp_path / "runs" / name).symlink_to(played / "runs" / name)
    monkeypatch.chdir(tmp_path)
    takeover.reuse(Entry(TrainingOptions(league="tiny", entry="two")), "--pretrained", "one", "pretrain")
    yield tmp_path / "runs" / "two"
    optuna.logging.set_verbosity(optuna.logging.INFO)


def two_s_trainer() -> trainer_search.TrialTrainer:
    return build_trainer(TrainingOptions(league="tiny", entry="two"))


def search(trainer: Seq2SeqTrainer, trials: list[dict]) -> None:
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    trainer.hyperparameter_search(
        hp_space=lambda trial: trials[trial.number], n_trials=len(trials), direction="maximize", backend="optuna"
    )


# Our form


def test_every_trial_is_the_fine_tune_with_the_values_that_it_asked_for(two, monkeypatch, tmp_path):
    seen, validate = [], validation.validate

    def watched(entry, trainer, name, validation):
        trainer.model.save_pretrained(tmp_path / "trained")
        digest, bleu = digests_of(tmp_path / "trained")["model.safetensors"], validate(entry, trainer, name, validation)
        seen.append((training_in_effect(trainer), trainer.state.log_history, digest, bleu[0]))
        return bleu

    monkeypatch.setattr(validation, "validate", watched)
    search(two_s_trainer(), TRIALS)
    first_losses = {}
    for asked, (effective, history, _, _) in zip(TRIALS, seen, strict=True):
        assert {name: effective[name] for name in SCHEDULE if name != "weight_decay"}.items() <= asked.items()
        assert effective["weight_decay"] == sorted({0.0, asked["weight_decay"]})
        logs = [log for log in history if "learning_rate" in log]
        wanted = [scheduled_rate(asked | {"max_steps": MAX_STEPS}, log["step"]) for log in logs]
        assert [log["learning_rate"] for log in logs] == pytest.approx(wanted) and len(logs) == MAX_STEPS
        first_losses.setdefault(asked["label_smoothing_factor"], set()).add(logs[0]["loss"])
    # Before the first update, in the same model on the same batch, only the smoothing moves the loss.
    assert all(len(losses) == 1 for losses in first_losses.values()) and len(set.union(*first_losses.values())) == 3
    facts = read_record(two.parent / "one" / "record.json").stages["finetune"]
    assert seen[1][2] == facts.sha256["model.safetensors"], "the very weights that train_finetune.py trains"
    assert seen[1][3] == {"captions": facts.validation["captions"]}


def test_the_search_tells_its_best_as_a_command_and_counts_on_the_entry(two, monkeypatch, capsys):
    bleu, validate = iter([1.0, 5.0, 3.0]), validation.validate
    monkeypatch.setattr(validation, "validate", lambda *asked: (dict.fromkeys(asked[-1], next(bleu)), {}))
    before = read_record(two / "record.json")
    play("tools.trainer_search.__main__", "--entry", "two", "--trials", "3")
    *trials, best, words = capsys.readouterr().out.splitlines()
    starts = [line.split(" in ")[0] for line in trials]
    assert starts == ["trial 1: BLEU 1.00", "trial 2: BLEU 5.00", "trial 3: BLEU 3.00"]
    assert best == "best: trial 2, BLEU 5.00; next:"
    python, script, *flags = shlex.split(words)
    assert (python, script) == ("python", "train_finetune.py") and trials[1].endswith(" ".join(flags[-10:]))

    record = read_record(two / "record.json")
    assert record.trials == 3 and record.test_openings == 0
    assert read_json(two / "clock.json")["spent"]["trials"] > 0  # a record's hundredths may be 0.00
    assert record.stages == before.stages and "captions.test" not in record.data

    monkeypatch.setattr(validation, "validate", validate)
    play("train_finetune", *flags)
    record, (_, values) = read_record(two / "record.json"), parse_options("", FinetuneOptions, FinetuneHP, argv=flags)
    assert {name: record.asked[name] for name in SCHEDULE} == vars(values) and record.trials == 3
    assert not record.broken_rules


def test_a_search_ends_while_there_is_time_for_the_fine_tune(two, capsys, monkeypatch):
    trainer = two_s_trainer()
    search_one, trainer.entry.clock.limit = validation.validate, 1e6

    def validate(*args):
        trainer.entry.clock.limit = trainer.entry.clock.used + 1e-3
        return search_one(*args)

    monkeypatch.setattr(validation, "validate", validate)
    search(trainer, TRIALS)
    assert read_record(two / "record.json").trials == 1
    assert "the search ends" in capsys.readouterr().out


def test_a_search_without_time_for_the_fine_tune_is_refused_while_there_is_some(two):
    trainer = two_s_trainer()
    trainer.entry.clock.limit = trainer.entry.clock.used + 1e-3
    with pytest.raises(UserError, match="run train_finetune.py without a search"):
        search(trainer, TRIALS)
    record = read_record(two / "record.json")
    assert record.trials == 0 and "finetune" not in record.stages


def test_a_trial_that_explodes_is_worth_nothing_and_the_search_goes_on(two):
    trainer = two_s_trainer()
    search(trainer, [TRIALS[1] | {"learning_rate": 1e30}, TRIALS[1]])
    assert trainer.objective > 0 and read_record(two / "record.json").trials == 2


def test_a_value_that_does_not_take_effect_ends_the_search(two, monkeypatch):
    class Deaf(SmoothedLoss):
        epsilon = property(lambda self: 0.1, lambda self, asked: None)

    monkeypatch.setattr("league.tasks.loss.SmoothedLoss", Deaf)
    with pytest.raises(AssertionError, match="'label_smoothing_factor': 0.3"):
        search(two_s_trainer(), TRIALS)


def test_without_time_nothing_is_tried(two, monkeypatch):
    monkeypatch.setattr(Clock, "left", 0.0)
    with pytest.raises(UserError, match="the 5 minutes of entry 'two' are over"):
        two_s_trainer()


@pytest.mark.parametrize(
    ("entry", "flags", "environment", "message"),
    [
        ("none", [], {}, "no complete pretrain stage yet: run python train_pretrain.py"),
        ("one", [], {}, "has begun its fine-tune"),
        ("two", ["--trial", "3"], {}, "did you mean --trials?"),
        ("two", ["--trials", "0"], {}, "--trials 0: must be at least 1"),
        ("two", ["--seed", "2"], {}, "was started with seed 1 (now 2)"),
        ("two", [], {"WORLD_SIZE": "2"}, "runs in one process"),
        *(("two", ["--league", league], {}, f"invalid choice: '{league}'") for league in ("aing-open", "demo-readers")),
    ],
)
def test_what_cannot_be_searched_is_refused(two, monkeypatch, entry, flags, environment, message):
    for name, value in environment.items():
        monkeypatch.setitem(os.environ, name, value)
    with pytest.raises(UserError) as caught:
        play("tools.trainer_search.__main__", "--entry", entry, *flags)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("accident", "kind", "message"),
    [(MemoryError, UserError, "--device_batch_size 8 needs about half"), (KeyboardInterrupt, Interrupted, "Stopped")],
)
def test_a_trial_that_fails_ends_the_search_in_one_line(two, monkeypatch, capfd, accident, kind, message):
    def fail(entry, trainer, name, validation):
        raise accident

    monkeypatch.setattr(validation, "validate", fail)
    with pytest.raises(kind, match=message):
        play("tools.trainer_search.__main__", "--entry", "two")
    assert "Traceback" not in capfd.readouterr().err
    assert read_record(two / "record.json").trials == 0


# The library's plain form


def test_in_its_plain_form_the_library_drops_and_leaks_values(two):
    ours, seen = two_s_trainer(), []

    class Watch(TrainerCallback):
        def on_train_end(self, args, state, control, **kwargs):
            seen.append((plain.label_smoother.epsilon, args.warmup_steps, args.weight_decay))

    start = {"warmup_steps": 5, "label_smoothing_factor": 0.1, "weight_decay": 0.0}
    plain = Seq2SeqTrainer(
        model_init=ours.model_init,
        args=Seq2SeqTrainingArguments(**ours.fixed | start | {"max_steps": 1, "predict_with_generate": False}),
        train_dataset=ours.train_dataset,
        eval_dataset=loading.tokenize(task_of(TINY), ours.captions["captions"], ours.processing_class),
        data_collator=ours.data_collator,
        callbacks=[Watch],
    )
    search(plain, [{"label_smoothing_factor": 0.3, "warmup_steps": 0.06, "weight_decay": 0.1}, {"learning_rate": 1e-3}])
    (smoothing, warmup_steps, _), (_, _, weight_decay) = seen
    assert smoothing == start["label_smoothing_factor"], MENDED
    assert warmup_steps == 0, MENDED
    assert weight_decay == 0.1, f"the second trial did not ask for it; {MENDED}"
