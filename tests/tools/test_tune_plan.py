"""The plan on simulated machines: from very slow to very fast, with estimates that are wrong, it ends in time."""

import pytest
from machines import Machine, final, in_full, simulate

from league.rulebook import STAGES
from league.tasks.task import task_of
from league_config import AING, DEMO, DEMO_READERS
from tools.tune.budget import PRESETS
from tools.tune.candidates import first_candidates, safest
from tools.tune.jobs import Job, Tried, Wait
from tools.tune.plan import CLOSE, Planner
from tools.tune.space import point, start_values
from tools.tune.speed import Speed, num_steps

SLOWNESS = [0.01, 0.05, 0.2, 0.4, 0.8]  # seconds a step of the start values
NOTHING = {stage: [] for stage in STAGES}  # to begin with


@pytest.mark.parametrize("slowness", SLOWNESS)
@pytest.mark.parametrize("wrong", [0.5, 1.0, 2.0])
@pytest.mark.parametrize("heating", [1.0, 1.4])
@pytest.mark.parametrize(
    ("rules", "minutes", "only"),
    [(AING, 60, None), (AING, 120, None), (DEMO, 10, None), (AING, 60, "structure"), (AING, 60, "finetune")],
    ids=["aing-60", "aing-120", "demo-10", "structure", "finetune"],
)
def test_it_never_overruns_and_uses_its_time(slowness, wrong, heating, rules, minutes, only):
    machine = Machine(rules, slowness, seed=round(1000 * slowness * wrong * heating), heating=heating)
    planner, tried, used = simulate(rules, machine, minutes, only=only, wrong=wrong)
    best, structure = final(tried)
    validation = machine.validation(start_values(rules, "pretrain"))
    alone = (
        10
        + 2 * validation
        + heating
        * sum(
            num_steps(rules, stage, 1) * machine.step(stage, start_values(rules, "pretrain"), 0.0)
            for stage in planner.fixed
        )
    )
    if alone * heating > 0.75 * minutes * 60:
        return  # hardly time for one entry: it is played as it would be by hand, and stops in time
    assert structure is not None
    rest = 5 + 1.3 * machine.validation((best or structure).structure)
    if best is None:
        assert only == "structure"
        rest += machine.validation(structure.structure)
        rest += num_steps(rules, "finetune", 1) * machine.step("finetune", structure.structure, 1.0)
    assert used + rest <= minutes * 60, "overrun"
    unused = minutes * 60 - used - rest
    # The smallest thing that is worth running; with what has to be kept for a machine that slows down.
    smallest = planner.speed.trial("pretrain" if only == "structure" else "finetune", structure.structure, 1.0)
    assert unused <= 0.15 * minutes * 60 or unused < 2 * smallest


@pytest.mark.parametrize("wrong", [0.5, 1.0, 2.0])
@pytest.mark.parametrize(
    ("rules", "minutes", "slowness"),
    [(DEMO, 5, 0.03), (DEMO, 8, 0.08), (DEMO, 10, 0.05), (AING, 60, 0.1), (AING, 60, 0.3), (AING, 120, 0.05)],
)
def test_there_is_a_whole_entry_by_half_time_or_soon_after(rules, minutes, slowness, wrong):
    machine = Machine(rules, slowness, seed=1)
    planner, tried, _ = simulate(rules, machine, minutes, wrong=wrong, ends=(ends := []))
    # Where two structures take most of that time it is later; what it would be without care is three quarters.
    assert ends[in_full(tried, "finetune")[0].number] <= 0.65 * planner.seconds


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("exponent", [0.7, 0.8, 0.9])
def test_a_search_with_time_for_few_structures_takes_the_largest_that_fits(exponent, seed):
    """On a machine that computes one thing at a time a middling structure takes almost all of it."""
    machine = Machine(DEMO, 0.085, seed=seed, exponent=exponent)
    planner, tried, used = simulate(DEMO, machine, 10, ends=(ends := []))
    structures, tunes = (in_full(tried, stage) for stage in ("pretrain", "finetune"))
    assert structures[0].values == start_values(DEMO, "pretrain")
    assert all(one.fidelity == 1 for one in tried if one.stage == "pretrain")
    sizes = [task_of(DEMO).work(point(DEMO, "pretrain", share)) for share in (0.3, 0.5)]
    assert sizes[0] <= task_of(DEMO).work(structures[1].values) <= sizes[1]
    assert structures[1].number in {one.base for one in tunes}, "it becomes an entry, too"
    first = ends[tunes[0].number]
    assert first <= 0.55 * planner.seconds and used <= planner.seconds


@pytest.mark.parametrize("slowness", [0.1, 0.15, 0.2])
def test_the_best_structure_becomes_a_whole_entry_on_machines_whose_speed_swings(slowness):
    lost = []
    for seed in range(30):
        machine = Machine(AING, slowness, seed=seed, swing=0.15)
        _, tried, _ = simulate(AING, machine, 60)
        best, structure = final(tried)
        if tried[best.base].validation < structure.validation - CLOSE:
            lost.append(seed)
    assert len(lost) <= 1, f"of 30 searches, those of the seeds {lost} ended with a lesser structure"


def test_with_time_for_one_fine_tune_the_best_structure_gets_it_before_short_ones():
    planner = demo_planner(0.1)
    small, large = start_values(DEMO, "pretrain"), start_values(DEMO, "pretrain") | {"d_ff": 512}
    values = first_candidates(DEMO, "finetune")[1][1]
    tried = [
        Tried(0, "pretrain", small, small, 1.0, "complete", 30.0),
        Tried(1, "finetune", values, small, 1.0, "complete", 29.0, -1.0, base=0),
        Tried(2, "pretrain", large, large, 1.0, "complete", 50.0),
    ]
    planner.exhausted = ("pretrain",)
    one, both = (planner.speed.trial("finetune", large, share) for share in (1.0, 0.25))
    kept = planner.to_the_score(large, True, True)
    for left, fidelity in ((1.5 * one, 1.0), (2 * one + 2 * both, 1.0), (2.5 * one + 4 * both, 0.25)):
        job = planner._finetune_job(tried, left + kept)
        assert (job.fidelity, job.base.number) == (fidelity, 2)
    assert planner._finetune_job(tried, 1.5 * one + kept).values == values


def test_where_a_second_structure_comes_late_the_first_is_fine_tuned_at_once_and_gently():
    planner = demo_planner(0.1)
    start = start_values(DEMO, "pretrain")
    tried = [Tried(0, "pretrain", start, start, 1.0, "complete", 30.0)]
    left = 600 - 60
    job = planner.decide(tried, left)
    assert (job.stage, job.fidelity, job.base.number) == ("finetune", 1.0, 0)
    assert job.values["learning_rate"] == DEMO.ranges("finetune")["learning_rate"].low
    # It does not stand in the way of the next structure, and the better of two is fine-tuned at once as well.
    tried.append(Tried(1, "finetune", job.values, start, 1.0, "complete", 29.9, -0.1, base=0))
    job = planner.decide(tried, left - 60)
    assert (job.stage, job.origin) == ("pretrain", "middle of the sizes")
    tried.append(Tried(2, "pretrain", job.values, job.values, 1.0, "complete", 50.0))
    job = planner.decide(tried, left - 60 - 150)
    assert (job.stage, job.fidelity, job.base.number) == ("finetune", 1.0, 2)
    quick = demo_planner(0.02)
    assert quick.decide(tried[:1], 580).stage == "pretrain", "a fast machine compares first"


def test_the_best_short_trials_are_run_in_full_and_the_best_of_these_is_fine_tuned():
    _, tried, _ = simulate(AING, Machine(AING, 0.05, seed=1), 60)
    best, structure = final(tried)
    shorts = [one for one in tried if one.stage == "pretrain" and one.fidelity < 1]
    chosen = {one.promoted_from for one in tried if one.stage == "pretrain" and one.fidelity == 1}
    mean = sum(one.validation for one in shorts) / len(shorts)
    promoted = [one.validation for one in shorts if one.number in chosen]
    assert sum(promoted) / len(promoted) > mean
    assert best.structure["d_model"] >= 256
    began_with = next(one.validation for one in tried if one.number == best.base)
    assert began_with > structure.validation - 1, "the fine-tune that wins stands on one of the best structures"
    first = next(one.number for one in tried if one.stage == "finetune" and one.fidelity == 1)
    assert first < len(tried) / 3, "a whole entry comes early"
    assert 0.2 < len(promoted) / len(shorts) < 0.5


def test_the_first_thing_tried_is_the_baseline_and_nothing_is_tried_twice():
    _, tried, _ = simulate(AING, Machine(AING, 0.05, seed=2), 60)
    for stage in ("pretrain", "finetune"):
        mine = [one for one in tried if one.stage == stage]
        searched = [one for one in mine if one.stage == "pretrain" or one.fidelity < 1]
        assert searched[0].values == start_values(AING, stage)
        seen = [(one.fidelity, str(one.values), one.base) for one in mine]
        assert len(set(seen)) == len(seen)


def test_trials_too_short_to_tell_models_apart_get_longer():
    _, tried, _ = simulate(DEMO, Machine(DEMO, 0.01, seed=3), 10, babble_below=0.4)
    fidelities = [one.fidelity for one in tried if one.stage == "pretrain"]
    assert fidelities[0] == 0.25 and fidelities.count(0.25) <= 2 and fidelities.count(0.5) >= 3


def test_a_process_waits_for_what_all_depends_on():
    planner = plan_of(AING, 0.5, 3600, NOTHING, measured=("pretrain",))
    planner.only = "finetune"
    job = planner.decide([], 3600)
    assert (job.stage, job.fidelity) == ("pretrain", 1.0)
    running = Tried(0, "pretrain", job.values, job.values, 1.0, "running")
    assert isinstance(planner.decide([running], 3500), Wait)


def test_one_trial_mends_a_probe_that_something_else_disturbed():
    machine, speed = Machine(AING, 0.1, seed=5), Speed(AING)
    places = [start_values(AING, "pretrain"), point(AING, "pretrain", 0.5), point(AING, "pretrain", 0.7)]
    for place in places:
        speed.learn("pretrain", place, 5 * machine.step("pretrain", place, 0.0), trust=0.3)
    before = [speed.per_step("pretrain", place) for place in places]
    speed.learn("pretrain", places[0], machine.step("pretrain", places[0], 0.0))
    for place, disturbed in zip(places, before, strict=True):
        truth = machine.step("pretrain", place, 0.0)
        assert disturbed > 3 * truth
        assert 0.6 * truth < speed.per_step("pretrain", place) < 1.6 * truth


def test_what_was_measured_on_a_structure_decides_for_it():
    speed = Speed(AING)
    small, large = start_values(AING, "pretrain"), point(AING, "pretrain", 0.7)
    for _ in range(3):
        speed.learn("pretrain", small, 0.1)
        speed.learn("pretrain", large, 0.9)
    assert speed.per_step("pretrain", small) == pytest.approx(0.1, rel=0.15)
    assert speed.per_step("pretrain", large) == pytest.approx(0.9, rel=0.15)
    assert speed.trial("pretrain", large, 0.25) < 0.5 * speed.trial("pretrain", large, 1.0)


def test_sizes_that_have_shown_to_be_too_small_are_not_sampled_any_more():
    planner = plan_of(AING, 0.1, 36_000, NOTHING, measured=("pretrain",))
    sizes = [start_values(AING, "pretrain") | {"d_model": width} for width in (64, 128, 256, 512)]
    job = Job("pretrain", 1.0, "sampler", 36_000)
    for slope, allowed in ((4, [False, False, True, True]), (0.5, [True] * 4)):
        tried = [Tried(i, "pretrain", one, one, 1.0, "complete", 20 + slope * i) for i, one in enumerate(sizes)]
        assert [planner.allows(job, one, tried, 30_000) for one in sizes] == allowed
        assert planner.allows(job, sizes[0], tried[:2], 30_000), "two say nothing yet"


def plan_of(rules, pace: float, seconds: float, candidates: dict, measured: tuple = STAGES) -> Planner:
    """Return the plan of a search of so many seconds, where a step of the stages that were measured takes `pace`."""
    speed, fixed = Speed(rules), {stage: start_values(rules, stage) for stage in STAGES}
    for stage in measured:
        speed.learn(stage, fixed["pretrain"], pace)
    return Planner(rules, speed, PRESETS["balanced"], seconds, candidates, fixed)


def demo_planner(pace: float) -> Planner:
    """Return the plan of ten minutes of the demo league, where a step of either stage takes so many seconds."""
    return plan_of(DEMO, pace, 600, {stage: first_candidates(DEMO, stage) for stage in STAGES})


def test_a_fine_tune_that_has_lost_more_already_is_not_run_in_full():
    planner = demo_planner(0.02)
    structure, values = start_values(DEMO, "pretrain"), [one for _, one in first_candidates(DEMO, "finetune")]
    tried = [
        Tried(0, "pretrain", structure, structure, 1.0, "complete", 30.0),
        Tried(1, "finetune", values[1], structure, 1.0, "complete", 29.0, -1.0, base=0),
        *(Tried(2 + i, "finetune", values[i], structure, 0.25, "complete", 28.0, -2.0, base=0) for i in (0, 1, 2)),
    ]
    job = planner.decide(tried, 300)
    assert job.promoted_from is None and job.fidelity < 1
    job = planner.decide(tried, 33)
    assert (job.fidelity, job.values) == (1.0, None), "time for one in full only, of values that are not beaten yet"
    better = [*tried[:-1], Tried(4, "finetune", values[2], structure, 0.25, "complete", 29.5, -0.5, base=0)]
    assert planner.decide(better, 300).promoted_from == 4


@pytest.mark.parametrize("state", ["diverged", "failed"])
def test_what_came_to_nothing_in_full_is_not_begun_again(state):
    planner = demo_planner(0.1)
    planner.only = "finetune"
    start = start_values(DEMO, "pretrain")
    lost = Tried(0, "pretrain", start, start, 1.0, state)
    assert planner.decide([], 300).values == start and planner.decide([lost], 300) is None
    planner, tune = demo_planner(0.1), safest(DEMO, first_candidates(DEMO, "finetune"))
    full = Tried(0, "pretrain", start, start, 1.0, "complete", 30.0)
    lost = Tried(1, "finetune", tune, start, 1.0, state, base=0)
    planner.exhausted = ("pretrain",)
    job = planner.decide([full], 300)
    assert (job.stage, job.fidelity, job.values) == ("finetune", 1.0, tune)
    job = planner.decide([full, lost], 300)
    assert (job.stage, job.fidelity, job.values) != ("finetune", 1.0, tune)


def test_a_stage_a_on_which_all_depends_keeps_its_time_when_it_is_resumed():
    planner, start = demo_planner(0.1), start_values(DEMO, "pretrain")
    asked = {"number": 0, "stage": "pretrain", "fidelity": 1.0, "structure": start}
    running = Tried(0, "pretrain", start, start, 1.0, "running")
    other = Tried(1, "pretrain", start | {"d_ff": 512}, start, 1.0, "complete", 30.0)
    assert planner.room_to_resume(asked, [running], 100.0) == 100.0 - planner.scoring(start)
    assert planner.room_to_resume(asked, [running, other], 100.0) == 100.0 - planner.to_the_score(start, True, False)


def test_a_better_structure_gets_the_fine_tune_that_did_well_on_another():
    planner = demo_planner(0.1)
    small, large = start_values(DEMO, "pretrain"), start_values(DEMO, "pretrain") | {"d_ff": 512}
    good, bad = (values for _, values in first_candidates(DEMO, "finetune")[1:])
    tried = [
        Tried(0, "pretrain", small, small, 1.0, "complete", 30.0),
        Tried(1, "finetune", bad, small, 1.0, "complete", 20.0, -10.0, base=0),
        Tried(2, "finetune", good, small, 1.0, "complete", 29.0, -1.0, base=0),
        Tried(3, "pretrain", large, large, 1.0, "complete", 50.0),
    ]
    job = planner.decide(tried, 100)
    assert (job.stage, job.fidelity, job.base.number, job.values) == ("finetune", 1.0, 3, good)


@pytest.mark.parametrize(("rules", "share"), [(DEMO, 0.25), (DEMO_READERS, 0.5)])
def test_a_stage_b_with_a_task_of_its_own_gets_half_of_the_search(rules, share):
    planner = plan_of(rules, 0.01, 3600, NOTHING)
    assert planner.for_structures() == (1 - share) * 3600


def test_fine_tunes_go_on_where_no_new_structure_is_allowed():
    candidates, start = NOTHING | {"finetune": first_candidates(AING, "finetune")}, start_values(AING, "pretrain")
    full = Tried(0, "pretrain", start, start, 1.0, "complete", 30.0)
    planner = plan_of(AING, 0.1, 3600, candidates, measured=("pretrain",))
    assert planner.decide([full], 3400).stage == "pretrain"
    planner.exhausted = ("pretrain",)
    job = planner.decide([full], 3400)
    assert (job.stage, job.values) == ("finetune", start_values(AING, "finetune"))
