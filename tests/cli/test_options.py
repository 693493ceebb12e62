"""The command line: what cannot be a run is refused in one line, before any work."""

import sys
from dataclasses import fields, replace
from typing import get_type_hints

import pytest
from conftest import ROOT, command, run

from league.cli.options import parse_options
from league.errors import UserError
from league.rulebook import Range
from league.values import Options, as_values, check_finetune_hp, check_model_hp, check_options
from league_config import FinetuneHP, ModelHP

NAN, INFINITY = float("nan"), float("inf")
HELP = "help lists the flags"


def parse(*argv, kinds=(Options, ModelHP, FinetuneHP)):
    return parse_options("A test.", *kinds, argv=list(argv))


def refused(function, *arguments) -> str:
    with pytest.raises(UserError) as caught:
        function(*arguments)
    return str(caught.value)


def test_without_flags_every_value_is_the_rule_books():
    options, model_hp, finetune_hp = parse()
    assert (model_hp, finetune_hp) == (ModelHP(), FinetuneHP())
    assert (options.league, options.entry) == ("aing", "baseline")
    assert parse("--league", "demo")[0].entry == "demo"
    check_options(options)
    check_model_hp(model_hp)
    check_finetune_hp(finetune_hp, 500)


def test_every_tune_value_has_a_flag_of_its_name():
    given = {"d_model": 64, "nhead": 2, "num_layers": 1, "d_ff": 128, "dropout": 0.3}
    given |= {"learning_rate": 3e-4, "lr_scheduler_type": "cosine", "warmup_steps": 0.06, "weight_decay": 0.01}
    given |= {"label_smoothing_factor": 0.2}
    _, model_hp, finetune_hp = parse(*(word for name, value in given.items() for word in (f"--{name}", str(value))))
    assert as_values(model_hp) | as_values(finetune_hp) == given


def test_a_flag_may_be_spelled_with_dashes_and_a_value_stays_as_it_is():
    options, model_hp = parse(
        "--d-model", "64", "--num-layers=1", "--hub-model-id=my-club/a-b", kinds=(Options, ModelHP)
    )
    assert (model_hp.d_model, model_hp.num_layers, options.hub_model_id) == (64, 1, "my-club/a-b")


def test_whole_numbers_stay_whole_and_shares_stay_shares():
    assert repr(as_values(FinetuneHP(warmup_steps=50.0))["warmup_steps"]) == "50"
    assert repr(as_values(FinetuneHP(warmup_steps=0.5))["warmup_steps"]) == "0.5"


@pytest.mark.parametrize(
    "argv, told",
    [
        (["--colour", "red"], ["--colour", HELP]),
        (["--learning_rat", "1e-4"], ["--learning_rat'", "did you mean --learning_rate?"]),
        (["--push_to_hubb"], ["--push_to_hubb", "did you mean --push_to_hub?"]),
        (["--label_smoothing=0.1"], ["--label_smoothing'", "did you mean --label_smoothing_factor?"]),
        (["--d_mod", "64"], ["--d_mod", HELP]),
        (["stray"], ["stray", HELP]),
        (["--d_model", "wide"], ["d_model", "int", "wide"]),
        (["--d_model", "64.5"], ["d_model", "int", "64.5"]),
        (["--learning_rate", "fast"], ["learning_rate", "float", "fast"]),
        (["--learning_rate"], ["learning_rate", "expected one argument"]),
        (["--seed", "one"], ["seed", "int", "one"]),
        (["--league", "premier"], ["league", "premier", "aing", "demo"]),
        (["--push_to_hub", "perhaps"], ["unknown", "perhaps"]),
    ],
)
def test_a_bad_command_line_is_told(argv, told):
    message = refused(parse, *argv)
    assert all(part in message for part in told), message


def test_a_flag_of_another_script_is_unknown():
    with pytest.raises(UserError, match="'--learning_rate', which is one of train_finetune.py"):
        parse("--learning_rate", "1e-4", kinds=(Options, ModelHP))
    with pytest.raises(UserError, match="'--d_ff', which is one of train_pretrain.py"):
        parse("--d_ff", "256", kinds=(Options, FinetuneHP))


def test_a_hidden_args_file_is_not_read(tmp_path, monkeypatch):
    (tmp_path / "train.args").write_text("--d_model 64")
    monkeypatch.setattr(sys, "argv", [str(tmp_path / "train.py")])
    assert parse_options("A test.", ModelHP) == (ModelHP(),)


@pytest.mark.parametrize(
    "values, name, rule",
    [
        ({"d_model": 130}, "d_model", "divisible by nhead (4)"),
        ({"d_model": 12}, "d_model", "even"),
        *(
            ({name: value}, name, "between 1 and")
            for name in ("d_model", "nhead", "num_layers", "d_ff")
            for value in (0, -4)
        ),
        *(({"dropout": value}, "dropout", "below 1") for value in (-0.1, 1.0, NAN, INFINITY)),
    ],
)
def test_a_structure_that_cannot_be_built(values, name, rule):
    message = refused(check_model_hp, replace(ModelHP(), **values))
    assert f"--{name} {values[name]}:" in message and rule in message


@pytest.mark.parametrize(
    "name, value, rule",
    [
        *(("learning_rate", value, "above 0") for value in (0.0, -1e-4, NAN, INFINITY)),
        ("lr_scheduler_type", "zigzag", "inverse_sqrt"),
        *(("warmup_steps", value, "between 0 and the 500 steps") for value in (501, -1, NAN, INFINITY)),
        ("warmup_steps", 2.5, "whole number"),
        *(("weight_decay", value, "at least 0") for value in (-0.1, 1.0, NAN)),
        *(("label_smoothing_factor", value, "below 1") for value in (-0.1, 1.0, NAN)),
    ],
)
def test_an_optimizer_that_cannot_run(name, value, rule):
    message = refused(check_finetune_hp, replace(FinetuneHP(), **{name: value}), 500)
    assert f"--{name} {value}:" in message and rule in message


def test_the_edges_that_can_run():
    check_model_hp(ModelHP(d_model=2, nhead=1, num_layers=1, d_ff=1, dropout=0.0))
    for warmup_steps in (0, 0.06, 1, 500):
        check_finetune_hp(FinetuneHP(warmup_steps=warmup_steps, weight_decay=0.0, label_smoothing_factor=0.0), 500)


@pytest.mark.parametrize(
    "kind, check", [(ModelHP, check_model_hp), (FinetuneHP, lambda hp: check_finetune_hp(hp, 500))]
)
def test_both_ends_of_every_search_range_can_run(kind, check):
    hints = get_type_hints(kind, include_extras=True)
    for item in fields(kind):
        searched = hints[item.name].__metadata__[0]
        for value in searched[:2] if isinstance(searched, Range) else searched:
            check(replace(kind(), **{item.name: value}))


@pytest.mark.parametrize(
    "name", ["..", ".", "", "a/b", "a\\b", "/tmp/x", ".x", "-x", "a b", "a\n", "ä", "x" * 65, "a\0b"]
)
def test_an_entry_cannot_leave_its_folder(name):
    assert "--entry" in refused(check_options, Options(entry=name))


@pytest.mark.parametrize("name", ["a", "7", "wide-model_2.1", "x" * 64])
def test_an_entry_may_have_a_plain_name(name):
    check_options(Options(entry=name))


@pytest.mark.parametrize(
    "values, told",
    [
        ({"seed": -1}, "--seed -1"),
        ({"seed": 2**31}, f"--seed {2**31}"),
        ({"data_dir": "no/such/folder"}, "--data_dir 'no/such/folder'"),
        ({"data_dir": ""}, "--data_dir ''"),
        ({"report_to": "abacus"}, "--report_to 'abacus'"),
        ({"push_to_hub": True, "hub_model_id": "a/b/c"}, "--hub_model_id 'a/b/c'"),
        ({"push_to_hub": True, "entry": "a--b"}, "--hub_model_id 'a--b'"),
    ],
)
def test_other_flags_that_cannot_work(values, told):
    assert told in refused(check_options, Options(**values))


def test_a_tool_is_called_as_it_is_started(tmp_path):
    done = run([sys.executable, "-m", "tools.board", "--forse"], ROOT, expect=2, cold=True)
    assert "did you mean --force?; python -m tools.board --help lists the flags" in done.stderr
    done = run(command("--forse", script="train_pretrain.py"), tmp_path, expect=2, cold=True)
    assert "; train_pretrain.py --help lists the flags" in done.stderr


def test_help_shows_default_and_range_of_every_tune_value(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "1000")
    with pytest.raises(SystemExit) as end:
        parse("--help")
    assert end.value.code == 0
    flags = capsys.readouterr().out.split("\n  --")
    for kind in (ModelHP, FinetuneHP):
        hints = get_type_hints(kind, include_extras=True)
        for item in fields(kind):
            searched, text = hints[item.name].__metadata__
            (told,) = (flag for flag in flags if flag.startswith(f"{item.name} "))
            assert text in told and f"default {item.default}" in told
            ends = [f"{end:g}" for end in searched[:2]] if isinstance(searched, Range) else map(str, searched)
            assert all(end in told.split("searched:")[1] for end in ends)


@pytest.mark.parametrize(
    "script, argv, told",
    [
        ("train_pretrain.py", ["--d_model", "130"], "--d_model 130"),
        ("train_finetune.py", ["--warmup_step", "2"], "did you mean --warmup_steps?"),
        ("evaluate_bleu.py", ["--entry", "../x"], "--entry '../x'"),
    ],
)
def test_a_script_ends_with_code_2_and_one_line(script, argv, told, tmp_path):
    done = run(command(*argv, script=script), tmp_path, expect=2, cold=True)
    lines = [line for line in done.stderr.splitlines() if line.strip()]
    assert len(lines) == 1 and told in lines[0], done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    assert not list(tmp_path.iterdir())
