"""Searches of leagues whose stages differ: each trial is judged on all rows of what decides in its own stage."""

import pytest
from play_summaries import TINY_SUMMARIES
from searches import FROM

from league.run.loading import Splits
from league_config import DEMO, DEMO_READERS, DEMO_SUMMARIES
from tools.tune.budget import PRESETS
from tools.tune.candidates import first_candidates, promising_first, safest
from tools.tune.jobs import Tried
from tools.tune.output import in_a_line
from tools.tune.plan import Planner
from tools.tune.space import start_values
from tools.tune.speed import Speed, num_steps
from tools.tune.trial import FORGOTTEN, VALIDATED, Attempt, Runner, shortened
from train_finetune import FinetuneOptions


def rows(rules) -> tuple[int, int]:
    return rules.pretrain.corpus.num_validation_pairs, rules.finetune.corpus.num_validation_pairs


@pytest.mark.parametrize("rules", [DEMO_READERS, DEMO_SUMMARIES], ids=lambda rules: rules.name)
def test_a_short_trial_is_judged_on_its_own_objective(rules):
    first, second = rows(rules)
    assert rows(shortened(rules, "finetune", 30)) == (first, second)
    assert rows(shortened(rules, "pretrain", 100)) == (VALIDATED, second)


def test_one_objective_is_judged_where_the_score_is(rules=DEMO):
    first, _ = rows(rules)
    assert rows(shortened(rules, "finetune", 30)) == (first, FORGOTTEN)
    assert rows(shortened(rules, "pretrain", 100)) == (VALIDATED, FORGOTTEN)


def test_a_whole_trial_is_the_league_itself():
    for rules in (DEMO, DEMO_READERS):
        assert shortened(rules, "pretrain", rules.pretrain.arguments["max_steps"]) is rules


@pytest.mark.long
def test_trials_of_another_batch_size_see_as_many_examples(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rules, options = TINY_SUMMARIES, FinetuneOptions(league="tiny-summaries", entry="x")
    runner = Runner(rules, options, "x", Splits(rules, None))
    runner.run(Attempt("pretrain", FROM["model_hp"], 1.0, tmp_path / "a", 100.0))
    for number, (size, steps) in enumerate({16: 10, 32: 5, 128: 1}.items()):
        values = start_values(rules, "finetune") | {"batch_size": size, "warmup_steps": 2}
        attempt = Attempt("finetune", values, 0.5, tmp_path / str(number), 100.0, tmp_path / "a")
        outcome = runner.run(attempt)
        assert (outcome["state"], outcome["steps"]) == ("complete", steps)


def test_a_plan_counts_in_steps_of_the_rule_book():
    rules, paces = TINY_SUMMARIES, {}
    for size, pace in ((32, 1.0), (64, 2.0), (16, 0.5)):  # the same examples in the same time
        values = start_values(rules, "finetune") | {"batch_size": size}
        row = {"stage": "finetune", "structure": FROM["model_hp"], "values": values, "fidelity": 0.5, "pace": pace}
        speed = Speed(rules)
        speed.learn_all([], [row | {"state": "cut"}])
        paces[size] = speed.per_step("finetune", FROM["model_hp"])
    assert paces == pytest.approx(dict.fromkeys(paces, paces[32]))
    assert num_steps(rules, "finetune", 0.5) == 5


@pytest.mark.parametrize(("stage", "label"), [("pretrain", "masked accuracy 80.00"), ("finetune", "ROUGE-L 80.00")])
def test_a_trials_line_names_what_its_stage_is_judged_by(stage, label):
    asked = {"number": 0, "stage": stage, "values": start_values(DEMO_SUMMARIES, stage), "origin": "baseline"}
    assert in_a_line(DEMO_SUMMARIES, asked, {"reason": None, "validation": 80.0, "steps": 400}).endswith(label)


@pytest.mark.parametrize("rules", [DEMO_SUMMARIES, DEMO_READERS], ids=lambda rules: rules.name)
def test_where_stage_b_has_a_task_of_its_own_high_rates_come_first(rules):
    candidates = first_candidates(rules, "finetune")
    start, highest = start_values(rules, "finetune")["learning_rate"], rules.ranges("finetune")["learning_rate"].high
    rates = [values["learning_rate"] for _, values in promising_first(rules, candidates)]
    assert rates[:2] == sorted(rates)[-2:] and rates[1] == highest, "the very highest is more of a gamble"
    assert rates[-1] == start
    assert safest(rules, candidates)["learning_rate"] == rates[0]


def test_where_both_stages_have_one_task_low_rates_come_first():
    candidates = first_candidates(DEMO, "finetune")
    rates = [values["learning_rate"] for _, values in promising_first(DEMO, candidates)]
    assert rates == sorted(rates)
    assert safest(DEMO, candidates)["learning_rate"] == DEMO.ranges("finetune")["learning_rate"].low


def test_a_short_trial_of_a_task_of_its_own_is_not_beaten_by_one_in_full():
    tried = []
    for rules, is_beaten in ((DEMO, True), (DEMO_SUMMARIES, False)):
        start, values = start_values(rules, "pretrain"), start_values(rules, "finetune")
        base = Tried(0, "pretrain", start, start, 1.0, "complete", 70.0)
        tried = [
            Tried(1, "finetune", values, start, 1.0, "complete", 80.0, 10.0, base=0),
            Tried(2, "finetune", values, start, 0.25, "complete", 60.0, -10.0, base=0),
        ]
        plan = Planner(rules, Speed(rules), PRESETS["balanced"], 480.0, {}, {})
        assert plan._is_beaten(tried[1], base, tried) is is_beaten


def reader(number: int, width: int, masked: float, labelled: float | None = None) -> list[Tried]:
    """Return a structure that was trained in full, and the entry on it if there is one."""
    structure = start_values(DEMO_READERS, "pretrain") | {"d_model": width}
    values = start_values(DEMO_READERS, "finetune")
    entry = Tried(number + 1, "finetune", values, structure, 1.0, "complete", labelled, labelled, base=number)
    return [Tried(number, "pretrain", structure, structure, 1.0, "complete", masked), *([entry] if labelled else [])]


def test_what_a_structure_is_worth_to_a_task_of_its_own_shows_in_its_entries():
    speed = Speed(DEMO_READERS)
    for stage in ("pretrain", "finetune"):
        speed.learn(stage, start_values(DEMO_READERS, "pretrain"), 0.05)
    plan = Planner(DEMO_READERS, speed, PRESETS["balanced"], 4800.0, {}, {})
    small, large = reader(0, 64, 22.0, 85.6), reader(2, 256, 28.0, 83.6)
    assert plan.base(small + large, 4000.0).number == 0
    assert plan._unproven(small + large, 4000.0) is None
    newest = reader(4, 128, 25.0)
    assert plan._unproven(small + large + newest, 4000.0).number == 4, "it may be the best, and shows it in an entry"
    assert plan.base(small + large + newest, 4000.0).number == 0, "fine-tunes build on what has shown it"
    assert plan.base(newest, 4000.0).number == 4


@pytest.mark.parametrize(("labelled", "base"), [(85.0, 0), (90.0, 2)])
def test_of_structures_that_a_small_validation_cannot_tell_apart_the_cheaper_is_fine_tuned(labelled, base):
    speed = Speed(DEMO_READERS)
    for stage in ("pretrain", "finetune"):
        for width, pace in ((64, 0.01), (256, 0.05)):
            speed.learn(stage, reader(0, width, 0.0)[0].structure, pace)
    plan = Planner(DEMO_READERS, speed, PRESETS["balanced"], 4800.0, {}, {})
    small, large = reader(0, 64, 22.0, 84.0), reader(2, 256, 28.0, labelled)
    assert plan.base(small + large, 4000.0).number == base
    assert plan.base(small[:1] + large[:1], 4000.0).number == 2, "what stage A shows is of many more tokens"


@pytest.mark.parametrize(("in_full", "fidelity"), [(75.0, 1.0), (79.0, 0.25)])
def test_a_task_that_is_overlearned_is_searched_in_full_length(in_full, fidelity):
    for rules in (DEMO_READERS, DEMO):
        start, values = start_values(rules, "pretrain"), start_values(rules, "finetune")
        tried = [
            Tried(0, "pretrain", start, start, 1.0, "complete", 30.0),
            Tried(1, "finetune", values, start, 0.25, "complete", 77.0, 77.0, base=0),
            Tried(2, "finetune", values, start, 1.0, "complete", in_full, in_full, promoted_from=1, base=0),
        ]
        plan = Planner(rules, Speed(rules), PRESETS["balanced"], 480.0, {}, {})
        assert plan.fidelity_of("finetune", tried) == (0.25 if rules is DEMO else fidelity)
