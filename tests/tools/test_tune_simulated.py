"""What a search does from its first trial to its last, where no trial is trained."""

import shlex
import shutil
from dataclasses import dataclass, replace
from types import SimpleNamespace
from typing import Annotated

import optuna
import play
import pytest
from play import TINY
from searches import FROM, assert_each_trial_has_one_outcome, trials_of, write_from

import league_config
from league.cli.options import parse_options
from league.errors import UserError
from league.files import write_json
from league.record.shape import read_record
from league.rulebook import STAGES, Range
from league.tasks.translate import Translate
from league.untrusted import read_json
from league.values import TrainingOptions, as_values
from league_config import LEAGUES, FinetuneHP, ModelHP
from tools.tune import output, sampling
from tools.tune.jobs import Job
from tools.tune.plan import Planner
from tools.tune.report import write_report
from tools.tune.sampling import Sampling
from tools.tune.search import Search
from tools.tune.space import why_not
from tools.tune.summary import terminal_summary
from tools.tune.trial import Runner
from train_finetune import FinetuneOptions

pytest_plugins = "simulated"


def test_without_the_final_it_ends_with_three_commands_that_parse(simulated, capsys):
    simulated.play("--minutes", "2")
    record = read_record(simulated.folder / "runs/s/record.json")
    assert record.test_openings == 0 and not record.stages and "captions.test" not in record.data
    assert record.trials == len(simulated.ran) > 10 and not (simulated.folder / "runs/.cache/test").exists()
    words = [shlex.split(line) for line in capsys.readouterr().out.splitlines()[-3:]]
    assert [word[1] for word in words] == ["train_pretrain.py", "train_finetune.py", "evaluate_bleu.py"]
    best = read_json(simulated.tune / "best.json")
    options, structure = parse_options("", TrainingOptions, ModelHP, argv=words[0][2:])
    _, schedule = parse_options("", FinetuneOptions, FinetuneHP, argv=words[1][2:])
    (scoring,) = parse_options("", TrainingOptions, argv=words[2][2:])
    assert as_values(structure) == best["model_hp"] and as_values(schedule) == best["finetune_hp"]
    assert options.entry == scoring.entry == "s-by-hand" and options.league == "tiny"


def test_the_same_search_again_tries_nothing_more_and_a_longer_one_goes_on(simulated):
    simulated.play("--minutes", "2")
    before = len(simulated.ran)
    simulated.play("--minutes", "2")
    assert len(simulated.ran) == before
    simulated.play("--minutes", "4")
    assert len(simulated.ran) > before
    assert_each_trial_has_one_outcome(simulated.tune)


def test_a_search_whose_entry_is_being_played_does_not_go_on(simulated):
    simulated.play("--minutes", "2")
    before, path = len(simulated.ran), simulated.folder / "runs/s/record.json"
    record = read_json(path)
    write_json(path, record | {"asked": record["asked"] | FROM["model_hp"]})  # as stage A notes it when it begins
    simulated.play("--minutes", "4")
    assert len(simulated.ran) == before


def test_a_trial_that_ctrl_c_ends_is_charged(simulated, monkeypatch):
    run = Runner.run

    def run_or_stop(self, attempt):
        if len(simulated.ran) == 3:
            raise KeyboardInterrupt
        return run(self, attempt)

    monkeypatch.setattr(Runner, "run", run_or_stop)
    with pytest.raises(KeyboardInterrupt):
        simulated.play("--minutes", "2")
    assert read_json(simulated.folder / "runs/s/clock.json")["spent"]["trials"] == 4 * simulated.seconds_a_trial


def test_a_search_that_is_over_stays_so_whatever_the_plan_says_later(simulated, monkeypatch):
    simulated.play("--minutes", "2")
    before = len(simulated.ran)
    jobs = iter([Job("pretrain", 1.0, "late", 9.0, FROM["model_hp"])])
    monkeypatch.setattr(Planner, "decide", lambda *_: next(jobs, None))
    simulated.play("--minutes", "2")
    assert len(simulated.ran) == before


def test_what_another_search_has_spent_is_not_planned_with(simulated):
    write_from(simulated.folder, trials=7, minutes=TINY.minutes - 1)
    simulated.play("--minutes", "2")
    content = read_json(simulated.tune / "study.json")
    assert content["budget_minutes"] == pytest.approx(1) and content["used_minutes"] <= 1


def test_without_a_fine_tune_in_full_the_best_short_one_is_played(simulated, monkeypatch):
    run = Runner.run

    def cut_in_full(self, attempt):
        outcome = run(self, attempt)
        is_cut = attempt.stage == "finetune" and attempt.fidelity == 1
        return outcome | ({"state": "cut", "validation": None, "reason": "late"} if is_cut else {})

    monkeypatch.setattr(Runner, "run", cut_in_full)
    simulated.play("--minutes", "4")
    trials = read_json(simulated.tune / "study.json")["trials"]
    shorts = [one for one in trials if one["stage"] == "finetune" and one["state"] == "complete"]
    best = read_json(simulated.tune / "best.json")
    ours = [one for one in shorts if one["structure"] == best["model_hp"]]
    assert best["finetune_hp"] == max(ours, key=lambda one: one["change"])["values"]


def test_the_report_is_there_while_the_search_runs(simulated, monkeypatch):
    pages = []
    monkeypatch.setattr("tools.tune.output.FIRST_PAGE", 0.0)
    monkeypatch.setattr("tools.tune.output.write_report", lambda content, folder: pages.append(content["state"]))
    simulated.play("--minutes", "2")
    assert pages[0] == "searching" and pages[-1] == "done"


def test_a_long_search_gets_its_score_as_well(tmp_path, monkeypatch):
    (tmp_path / "tune").mkdir()
    write_json(tmp_path / "tune/study.json", {"final": None, "trials": ["x" * 3_000_000]})
    monkeypatch.setattr(output, "final_of", lambda *_: {"test": 30.0})
    monkeypatch.setattr(output, "write_report", lambda *_: None)
    output.add_score(SimpleNamespace(folder=tmp_path, rules=TINY, record=None))
    content = read_json(tmp_path / "tune/study.json", 4_000_000)
    assert (content["state"], content["final"]) == ("done", {"test": 30.0})


def test_only_one_half_is_searched(simulated):
    simulated.play("--minutes", "2", "--only", "structure")
    assert {stage for stage, _, _ in simulated.ran} == {"pretrain"}
    best = read_json(simulated.tune / "best.json")
    assert best["finetune_hp"] == FROM["finetune_hp"]
    assert best["model_hp"]["d_model"] == max(values["d_model"] for _, _, values in simulated.ran)
    del simulated.ran[:]
    shutil.rmtree(simulated.folder / "runs")
    simulated.play("--minutes", "2", "--only", "finetune")
    structures = [values for stage, _, values in simulated.ran if stage == "pretrain"]
    assert structures == [FROM["model_hp"]] and len(simulated.ran) > 10


@pytest.mark.parametrize("sampler", ["random", "grid", "tpe"])
def test_every_sampler_picks_new_values_within_the_ranges(simulated, sampler):
    simulated.play("--minutes", "4", "--sampler", sampler)
    asked = [trial.user_attrs["asked"] for trial in trials_of(simulated.tune)]
    picked = [(one["stage"], one["values"]) for one in asked if one["origin"] == "sampler"]
    assert len({str(one) for one in picked}) == len(picked) > 10
    for stage, values in picked:
        for name, span in TINY.ranges(stage).items():
            inside = span.low <= values[name] <= span.high if isinstance(span, Range) else values[name] in span
            assert inside, f"{name} {values[name]}"
        assert why_not(TINY, stage, values) is None
    if sampler == "grid":
        rates = {values["weight_decay"] for stage, values in picked if stage == "finetune"}
        grid = pytest.approx(0), pytest.approx(0.0333), pytest.approx(0.0667), pytest.approx(0.1)
        assert rates and all(rate in grid for rate in rates)


@pytest.mark.parametrize("sampler", ["random", "grid", "tpe"])
def test_a_sampler_that_is_refused_everything_ends_the_search_well(simulated, monkeypatch, sampler, capsys):
    monkeypatch.setattr(sampling, "MOST_REFUSED", 5)
    monkeypatch.setattr(Search, "_allows", lambda *_: False)
    simulated.play("--minutes", "4", "--sampler", sampler)
    assert any(stage == "finetune" and fidelity == 1 for stage, fidelity, _ in simulated.ran)
    assert capsys.readouterr().out.splitlines()[-1].startswith("python evaluate_bleu.py")


@pytest.mark.parametrize("league", LEAGUES.values(), ids=LEAGUES.keys())
def test_a_grid_has_a_point_at_once_however_many_it_has(league):
    for stage in STAGES:
        if spans := league.ranges(stage):
            study = optuna.create_study(direction="maximize")
            params = Sampling("grid", 1, {stage: spans}).pick(stage, study, lambda values: True)
            assert all(params[name] in sampling._grid(span) for name, span in spans.items())


def test_a_grid_that_is_used_up_ends_nothing(simulated, monkeypatch):
    monkeypatch.setattr(sampling, "MOST_REFUSED", 5)
    monkeypatch.setattr(sampling, "_grid", lambda span: [span.low] if isinstance(span, Range) else _first(span))
    simulated.play("--minutes", "3", "--sampler", "grid")
    assert any(stage == "finetune" and fidelity == 1 for stage, fidelity, _ in simulated.ran)


def _first(span: tuple) -> list:
    return [span[0]] if isinstance(span[0], str) else [0]


def test_what_a_search_started_from_is_charged_once_and_not_forgotten(simulated):
    write_from(simulated.folder, trials=7, minutes=1.0)
    simulated.play("--minutes", "2")
    trials = len(simulated.ran)
    for changes in ({"trials": 7, "minutes": 1.0}, {}):
        write_from(simulated.folder, **changes)
        simulated.play("--minutes", "2")
        best = read_json(simulated.tune / "best.json")
        assert len(simulated.ran) == trials and best["trials"] == 7 + trials
        assert best["minutes"] == pytest.approx(1 + trials * simulated.seconds_a_trial / 60, abs=0.01)
        assert read_record(simulated.folder / "runs/s/record.json").trials == 7 + trials


# Leagues of other kinds


@dataclass(frozen=True)
class Nothing:
    pass


@dataclass(frozen=True)
class Depth:
    depth: Annotated[int, (1, 2, 3, 4), "a size that only this league knows"] = 1


@dataclass(frozen=True)
class Rate:
    rate: Annotated[float, Range(1e-4, 1e-1, log=True), "a rate under another name"] = 1e-3
    shape: Annotated[str, ("flat", "steep"), "a choice without an order"] = "flat"


@pytest.mark.parametrize(("pretrain", "finetune"), [(Depth, Rate), (Depth, Nothing), (Nothing, Rate)])
def test_a_league_may_tune_other_values_and_nothing_in_a_stage(simulated, monkeypatch, capsys, pretrain, finetune):
    stages = {"pretrain": pretrain, "finetune": finetune}
    rules = replace(TINY, **{stage: replace(getattr(TINY, stage), tuned=kind) for stage, kind in stages.items()})
    monkeypatch.setitem(league_config.LEAGUES, "tiny", rules)
    monkeypatch.setattr(play, "TINY", rules)
    monkeypatch.setattr(Translate, "check", lambda *_: None)
    monkeypatch.setattr(Translate, "work", lambda task, structure: 100.0 * structure.get("depth", 1))
    play.play("tools.tune.__main__", "--entry", "s", "--no_final", "--minutes", "3")
    for stage, kind in stages.items():
        tried = [values for name, _, values in simulated.ran if name == stage]
        assert all(set(values) == set(kind.__dataclass_fields__) for values in tried)
        assert len({str(values) for values in tried}) > 3 or (kind is Nothing and len(tried) <= 1)
    best = read_json(simulated.tune / "best.json")
    assert (best["model_hp"] == {}, best["finetune_hp"] == {}) == (pretrain is Nothing, finetune is Nothing)
    page = write_report(read_json(simulated.tune / "study.json"), simulated.folder)
    assert page.stat().st_size > 1000 and terminal_summary(read_json(simulated.tune / "study.json"))


def test_a_league_that_tunes_nothing_is_not_searched(simulated, monkeypatch):
    stages = {stage: replace(getattr(TINY, stage), tuned=Nothing) for stage in ("pretrain", "finetune")}
    monkeypatch.setitem(league_config.LEAGUES, "tiny", rules := replace(TINY, **stages))
    monkeypatch.setattr(play, "TINY", rules)
    monkeypatch.setattr(Translate, "check", lambda *_: None)
    with pytest.raises(UserError, match="the tiny league has no TUNE values at all"):
        play.play("tools.tune.__main__", "--entry", "s", "--no_final")
