"""The search's report: what it says is honest, and it can be drawn of every study."""

import copy
import os
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from tools.tune import report
from tools.tune.effects import Fit, complete_trials, expectation, indicators, main_effects, observations, shrink
from tools.tune.reading import about_effects
from tools.tune.report import write_report
from tools.tune.summary import terminal_summary

KNOBS = {
    "pretrain": {
        "d_model": {"choices": [64, 128, 192, 256, 384, 512], "default": 128},
        "nhead": {"choices": [2, 4, 8], "default": 4},
        "num_layers": {"choices": [1, 2, 3, 4, 6], "default": 2},
        "d_ff": {"choices": [128, 256, 512, 1024, 2048], "default": 256},
        "dropout": {"low": 0.0, "high": 0.4, "log": False, "default": 0.1},
    },
    "finetune": {
        "learning_rate": {"low": 1e-6, "high": 3e-3, "log": True, "default": 1e-4},
        "lr_scheduler_type": {
            "choices": ["linear", "cosine", "constant_with_warmup", "inverse_sqrt"],
            "default": "linear",
        },
        "warmup_steps": {"choices": [0, 25, 50, 100, 200], "default": 50},
        "weight_decay": {"low": 0.0, "high": 0.1, "log": False, "default": 0.0},
        "label_smoothing_factor": {"low": 0.0, "high": 0.3, "log": False, "default": 0.1},
    },
}


def draw(rng: np.random.Generator, stage: str) -> dict:
    values = {}
    for knob, spec in KNOBS[stage].items():
        if "choices" in spec:
            values[knob] = spec["choices"][rng.integers(len(spec["choices"]))]
        elif spec["log"]:
            values[knob] = float(np.exp(rng.uniform(np.log(spec["low"]), np.log(spec["high"]))))
        else:
            values[knob] = float(rng.uniform(spec["low"], spec["high"]))
    return values


def true_validation(values: dict) -> float:
    return 26 + 3.5 * np.log2(values["d_model"] / 64) - 60 * (values["dropout"] - 0.15) ** 2


def true_change(values: dict) -> float:
    return -8 * (values["learning_rate"] / 3e-3) ** 0.5


def trial(number: int, stage: str, values: dict, **others) -> dict:
    steps = others.get("steps", 375)
    shares = np.linspace(0.03, 1, 30)
    end = 2.5 + 1.5 * np.random.default_rng(number).random()
    curve = [[int(share * steps), float(end + 5 * 2.0 ** (-8 * share))] for share in shares]
    minute = 1.2 * number
    return {
        "number": number,
        "stage": stage,
        "values": values,
        "structure": values,
        "fidelity": 1.0,
        "steps": steps,
        "state": "complete",
        "validation": None,
        "change": None,
        "began_minute": minute,
        "ended_minute": minute + 1.2,
        "steps_per_second": 5.1,
        "curve": curve,
        "origin": "sampler",
        "reason": None,
        **others,
    }


def study_of(num_structures: int, num_finetunes: int, noise: float = 0.8, seed: int = 0, **others) -> dict:
    """Return a study whose BLEU is known: width and dropout move it, and the learning rate."""
    rng, trials = np.random.default_rng(seed), []
    short = [draw(rng, "pretrain") for _ in range(num_structures)]
    for values in short:
        validation = 0.6 * true_validation(values) + noise * rng.standard_normal()
        trials.append(trial(len(trials), "pretrain", values, fidelity=0.25, validation=validation))
    order = sorted(range(num_structures), key=lambda index: -trials[index]["validation"])
    for index in order[: (num_structures + 2) // 3]:
        validation = true_validation(short[index]) + noise * rng.standard_normal()
        trials.append(
            trial(len(trials), "pretrain", short[index], validation=validation, origin="promoted", steps=1500)
        )
    full = [one for one in trials if one["fidelity"] == 1.0]
    top = max(full, key=lambda one: one["validation"], default=None)
    structure = top["values"] if top else draw(rng, "pretrain")
    before = top["validation"] if top else 30.0
    for _ in range(num_finetunes):
        values = draw(rng, "finetune")
        change = true_change(values) + 0.3 * rng.standard_normal()
        validation = before + change
        trials.append(trial(len(trials), "finetune", values, structure=structure, validation=validation, change=change))
    fine = max((one for one in trials if one["stage"] == "finetune"), key=lambda one: one["validation"], default=None)
    best = {
        "structure": structure,
        "finetune": fine["values"] if fine else {},
        "validation": fine["validation"] if fine else None,
        "pretrain_validation": top["validation"] if top else None,
        "change": fine["change"] if fine else None,
    }
    return {
        "format": 2,
        "entry": "mine",
        "league": "aing",
        "seed": 1,
        "sampler": "tpe",
        "preset": "balanced",
        "only": None,
        "budget_minutes": 60.0,
        "used_minutes": 1.2 * len(trials),
        "state": "searching",
        "num_processes": 1,
        "device": "cpu",
        "metric": "BLEU",
        "domain": "captions",
        "knobs": KNOBS,
        "trials": trials,
        "plan": [{"minute": 0.4, "text": "12 short structures, then 4 of them at full length"}],
        "next": ["promote trial 3"],
        "best": best if top or fine else None,
        "seed_deviation": 0.83,
        "final": None,
        "commands": ["python train_pretrain.py --entry mine --d_model 256"],
        **others,
    }


HOSTILE = "<script>alert('x')</script> & $\\frac$ \"quoted\""


def with_accidents() -> dict:
    study = study_of(9, 6, final={"validation": 36.3, "test": 37.0, "interval": [35.1, 38.8], "official": True})
    for number, state in ((2, "failed"), (4, "diverged"), (6, "cut"), (-1, "running")):
        lost = {"state": state, "validation": None, "change": None, "reason": f"{state}: {HOSTILE}", "origin": HOSTILE}
        study["trials"][number].update(lost)
    study["trials"][4]["curve"] = [[10, 5.0], [20, 1e30]]
    study["trials"][-1].update(ended_minute=None, steps_per_second=None, curve=[])
    return {**study, "entry": HOSTILE, "state": "done", "commands": [HOSTILE], "next": [HOSTILE]}


def with_strange_values() -> dict:
    study = study_of(4, 4)
    study["trials"][0]["values"].update(d_model=320, dropout=0.9)
    study["trials"][1].update(validation=0.0, curve=[[10, 0.0]])
    study["trials"][-1]["values"].update(learning_rate=0.0, warmup_steps=0.06, lr_scheduler_type="$x$" * 40)
    study["trials"][-2].update(change=-1e6, validation=1e6, began_minute=0.0, ended_minute=1e5)
    return study


STUDIES = {
    "nothing": lambda: study_of(0, 0, plan=[], next=[], commands=[]),
    "one trial": lambda: study_of(1, 0),
    "one structure that ran": lambda: {**study_of(1, 0), "trials": study_of(1, 0)["trials"][:1], "best": None},
    "only structures": lambda: study_of(12, 0),
    "only fine-tunes": lambda: study_of(0, 12, only="finetune", seed_deviation=None),
    "one stage has knobs": lambda: study_of(0, 12, knobs={"finetune": KNOBS["finetune"]}),
    "accidents": with_accidents,
    "strange values": with_strange_values,
    "500 trials": lambda: study_of(240, 180),
}
WITH_PICTURE = ("nothing", "one stage has knobs", "accidents", "500 trials")  # of the very panels of the page


class Page(HTMLParser):
    """What a browser would find in a page."""

    VOID = {"meta", "br", "path", "use", "rect", "img"}

    def __init__(self, text: str):
        super().__init__()
        self.open, self.ids, self.numbers, self.labels, self.tags, self.text = [], [], [], [], set(), ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        self.tags.add(tag)
        self.ids += [attributes["id"]] if "id" in attributes else []
        self.labels += [attributes.get("aria-label")] if tag == "svg" else []
        self.open.append((tag, attributes))

    def handle_startendtag(self, tag, attributes):
        self.handle_starttag(tag, attributes)
        self.open.pop()

    def handle_endtag(self, tag):
        while self.open and self.open[-1][0] in self.VOID and self.open[-1][0] != tag:
            self.open.pop()
        assert self.open.pop()[0] == tag

    def handle_data(self, data):
        self.text += data
        if self.open and self.open[-1][1].get("scope") == "row":
            self.numbers.append(int(data))


@pytest.mark.parametrize("name", STUDIES)
def test_every_study_can_be_drawn(name, tmp_path, monkeypatch):
    study = STUDIES[name]()
    if name not in WITH_PICTURE:
        monkeypatch.setattr(report, "study_png", lambda *_: b"")
    before = copy.deepcopy(study)
    text = write_report(study, tmp_path).read_text(encoding="utf-8")
    assert study == before
    page = Page(text)
    assert not page.open
    assert sorted(page.numbers) == [one["number"] for one in study["trials"]]
    assert len(page.ids) == len(set(page.ids))
    assert page.labels and all(page.labels)
    assert "http" not in text and "script" not in page.tags
    assert page.text.count(study["entry"]) >= 2
    assert all(one["reason"] in page.text for one in study["trials"] if one["reason"])
    if picture := (tmp_path / "report.png").read_bytes():
        assert picture.startswith(b"\x89PNG\r\n\x1a\n")
        assert [int.from_bytes(picture[place : place + 4], "big") for place in (16, 20)] == [1600, 1900]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["report.html", "report.png"]


@pytest.mark.parametrize("name", STUDIES)
def test_the_summary_fits_a_screen(name):
    lines = terminal_summary(STUDIES[name](), Path("runs/mine/tune/report.html")).splitlines()
    assert max(map(len, lines)) <= 100
    assert len(lines) <= 24
    assert lines[-1] == "Report: runs/mine/tune/report.html"


def test_the_summary_moves_no_cursor():
    assert "\x1b" not in terminal_summary({**study_of(1, 1), "entry": "a\x1b[2Jb"})


def test_a_kill_while_writing_leaves_the_old_picture(tmp_path, monkeypatch):
    (tmp_path / "report.png").write_bytes(b"old")
    monkeypatch.setattr(os, "replace", lambda *_: pytest.fail("replaced"))
    with pytest.raises(pytest.fail.Exception):
        report.write_bytes(tmp_path / "report.png", b"new")
    assert (tmp_path / "report.png").read_bytes() == b"old"


# Which knob mattered


@pytest.mark.parametrize("size", [0.0, 0.5, 2.0])
def test_the_interval_covers_the_true_size(size):
    rng, covered, sizes = np.random.default_rng(1), [], []
    columns = np.repeat(np.eye(3), 5, axis=0)
    means = columns @ (np.array([-1.0, 0.0, 1.0]) * size)  # whose deviation is `size`
    for _ in range(400):
        fit = Fit(columns, [], means + 0.8 * rng.standard_normal(15), 0)
        sizes.append(fit.size)
        covered.append(fit.chance(size) <= 0.95 and (size == 0 or fit.chance(size) >= 0.05))
    assert 0.87 <= np.mean(covered) <= (1.0 if size == 0 else 0.93)
    assert np.sqrt(np.mean(np.square(sizes))) == pytest.approx(size, abs=0.25)


def test_the_interval_ends_where_the_chances_say():
    rng = np.random.default_rng(2)
    columns = np.repeat(np.eye(3), 5, axis=0)
    fit = Fit(columns, [], columns @ [0.0, 2.0, 4.0] + 0.8 * rng.standard_normal(15), 0)
    low, high = fit.interval()
    assert 0 < low < fit.size < high
    assert fit.chance(low) == pytest.approx(0.05, abs=0.005)
    assert fit.chance(high) == pytest.approx(0.95, abs=0.005)


def test_a_knob_without_effect_is_seldom_called_known():
    known = {knob: 0 for knob in KNOBS["pretrain"]}
    for seed in range(40):
        for effect in main_effects(study_of(18, 0, seed=seed), "pretrain"):
            known[effect.knob] += effect.is_known
    assert known["d_model"] >= 38
    assert known["nhead"] + known["num_layers"] + known["d_ff"] <= 12  # of 120


def learned(seed: int, num: int = 24) -> dict:
    """Return a study whose later trials keep the best width, and a head count that has nothing to do with it."""
    rng, trials = np.random.default_rng(seed), []
    for number in range(num):
        values = draw(rng, "pretrain")
        if number > num // 3:
            values.update(d_model=512, nhead=8 if rng.random() < 0.7 else values["nhead"])
        trials.append(
            trial(number, "pretrain", values, validation=true_validation(values) + 0.8 * rng.standard_normal())
        )
    return {"knobs": KNOBS, "trials": trials}


def test_a_search_that_learns_does_not_lend_one_knob_the_effect_of_another():
    known = alone = 0
    for seed in range(40):
        study = learned(seed)
        effects = {effect.knob: effect for effect in main_effects(study, "pretrain")}
        assert effects["d_model"].is_known
        known += effects["nhead"].is_known
        points, _ = observations(study["trials"])
        heads = indicators([values["nhead"] for values, _ in points])
        alone += Fit(heads, [], np.array([value for _, value in points]), 0).chance() < 0.05
    assert known <= 5 < 10 <= alone


def test_a_promoted_trial_is_one_choice_not_two():
    points, num_offsets = observations(complete_trials(study_of(9, 0), "pretrain"))
    assert (len(points), num_offsets) == (9, 1)


def test_few_trials_tell_nothing():
    for effect in main_effects(study_of(3, 0), "pretrain"):
        assert not effect.is_known
    assert (
        about_effects(study_of(0, 0), main_effects(study_of(0, 0), "finetune"))
        == "not known yet after 0 finished trials"
    )


def test_effects_repeat():
    assert main_effects(study_of(12, 9), "finetune") == main_effects(study_of(12, 9), "finetune")


# How much of the best value is luck

RACES = {
    "all alike": lambda rng, num: np.full(num, 36.0),
    "alike to the noise": lambda rng, num: 36 + 0.8 * rng.standard_normal(num),
    "far apart": lambda rng, num: 36 + 2.5 * rng.standard_normal(num),
    "a race at the top": lambda rng, num: np.where(rng.random(num) < 0.6, 36 + 0.3 * rng.standard_normal(num), 20.0),
}


@pytest.mark.parametrize("race", RACES)
def test_the_expectation_is_hardly_biased_and_the_maximum_is(race):
    rng, num, noise = np.random.default_rng(3), 20, 0.8
    flattered, off, covered = [], [], []
    for _ in range(150):
        behind = RACES[race](rng, num)
        values = behind + noise * rng.standard_normal(num)
        best = values.argmax()
        mean, low, high = shrink(values[best], values, noise)
        flattered.append(values[best] - behind[best])
        off.append(mean - behind[best])
        covered.append(low <= behind[best] <= high)
    assert abs(np.mean(off)) < 0.35
    assert abs(np.mean(off)) < 0.4 * np.mean(flattered)
    assert np.mean(flattered) > 0.35
    assert 0.8 <= np.mean(covered)


def test_both_picks_are_taken_for_partly_lucky():
    flattered, off = [], []
    for seed in range(60):
        study = study_of(18, 12, noise=0.83, seed=seed)
        best, found = study["best"], expectation(study)
        truth = true_validation(best["structure"]) + true_change(best["finetune"])
        flattered.append(best["validation"] - truth)
        off.append(found.expected - truth)
        assert found.low < found.expected < found.high
        assert found.value == best["validation"]
    assert np.mean(flattered) > 0.7
    assert abs(np.mean(off)) < 0.5 * np.mean(flattered)


def test_one_value_is_nobodys_best():
    mean, low, high = shrink(30.0, np.array([30.0]), 0.8)
    assert mean == pytest.approx(30.0, abs=0.2)
    assert high - low == pytest.approx(2 * 1.645 * 0.8, rel=0.25)
    study = study_of(1, 0)
    assert "Over seeds, expect" in terminal_summary(study) and "lucky" not in terminal_summary(study)


def test_what_nobody_measured_is_not_known():
    assert expectation(study_of(9, 6, seed_deviation=None)) is None
    assert expectation(study_of(0, 0)) is None
    assert "is not known" in terminal_summary(study_of(9, 6, seed_deviation=None))
