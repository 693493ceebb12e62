"""A search that is damaged, or does not fit what it is asked for, is refused in one line and loses nothing."""

import dataclasses
import json
import os
import re
import shutil
from pathlib import Path

import pytest
import searches
from conftest import command, run
from msgspec import to_builtins
from play import TINY
from searches import FROM, assert_each_trial_has_one_outcome, assert_nothing_was_lost
from tunables import SCHEDULE, STRUCTURE

import league_config
from league.cli.options import parse_options
from league.data.corpora import load_split
from league.errors import UserError
from league.values import as_values
from league_config import ModelHP, OpenFinetuneHP, OpenHP
from tools.tune import __main__ as tune
from tools.tune.candidates import known_entries

pytest_plugins = "simulated"


def test_half_a_line_at_the_end_of_the_journal_is_mended(simulated):
    simulated.play("--minutes", "1")
    before = (simulated.tune / "journal.log").read_bytes()
    (simulated.tune / "journal.log").write_bytes(before + b'{"op_code":9,"trial_id":3,"user_attr":{"outc')
    simulated.play("--minutes", "2")
    assert (simulated.tune / "journal.log").read_bytes().startswith(before)
    assert_each_trial_has_one_outcome(simulated.tune)


@pytest.mark.parametrize("damage", ["torn", "bytes", "other JSON", "last", "gone", "clock", "no clock"])
def test_a_damaged_search_is_refused_in_one_line(simulated, damage):
    simulated.play("--minutes", "1")
    journal, clock = simulated.tune / "journal.log", simulated.tune / "clock.json"
    lines = journal.read_bytes().splitlines(keepends=True)
    middle = next(i for i, line in enumerate(lines) if b'"asked"' in line and i > len(lines) // 2)
    broken = {"torn": lines[middle][:20] + b"\n", "bytes": b"\xff\xfe\n", "other JSON": b"[3]\n", "gone": b""}
    if damage == "clock":
        clock.write_text('{"spent": "soon"}')
    elif damage == "no clock":
        clock.write_bytes(b"")
    elif damage == "last":
        journal.write_bytes(b"".join(lines) + b"{{{\n")
    else:
        journal.write_bytes(b"".join([*lines[:middle], broken[damage], *lines[middle + 1 :]]))
    before = simulated.files()
    with pytest.raises(UserError) as error:
        simulated.play("--minutes", "2")
    message = str(error.value)
    assert "is damaged" in message and "put it back from a copy" in message and message.count("\n") == 0
    assert ("clock.json" if "clock" in damage else "journal.log") in message
    assert_nothing_was_lost(before, simulated.files())
    if "clock" not in damage:
        follow_the_advice(message)
        simulated.play("--minutes", "1")


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ("seed", "begun with other seed:"),
        ("code", "begun with other code:"),
        ("data", "begun with other data:"),
        ("rules", "begun with other rules:"),
        ("ranges", "begun with other ranges:"),
    ],
)
def test_a_search_does_not_resume_with_something_else(simulated, monkeypatch, changed, message):
    simulated.play("--minutes", "1")
    before, flags = simulated.files(), []
    if changed == "seed":
        flags = ["--seed", "2"]
    elif changed == "code":
        monkeypatch.setattr("tools.tune.search.code_digest", lambda rules: "0" * 64)
    elif changed == "rules":
        monkeypatch.setitem(league_config.LEAGUES, "tiny", dataclasses.replace(TINY, batch_size=8))
    elif changed == "ranges":
        wider = searches.annotated(ModelHP, (32, 48, 64), "d_model")
        monkeypatch.setitem(ModelHP.__annotations__, "d_model", wider)
    else:
        flags = ["--data_dir", str(write_data(simulated.folder / "data"))]
    with pytest.raises(UserError) as error:
        simulated.play("--minutes", "2", *flags)
    assert message in str(error.value) and str(error.value).count("\n") == 0
    assert_nothing_was_lost(before, simulated.files())
    follow_the_advice(str(error.value))
    simulated.play("--minutes", "1", *flags)


@pytest.mark.parametrize("asked", [{"learning_rate": "fast"}, {"warmup_steps": 2.5}, {"weight_decay": None}, {}])
def test_another_entrys_record_that_somebody_has_edited_stops_no_search(played, tmp_path, monkeypatch, asked):
    content = json.loads((played / "runs/one/record.json").read_text())
    content["asked"] |= asked
    (tmp_path / "runs/one").mkdir(parents=True)
    (tmp_path / "runs/one/record.json").write_text(json.dumps(content))
    monkeypatch.chdir(tmp_path)
    known = known_entries(TINY, "finetune", "other")
    assert [origin for origin, _ in known] == ([] if asked else ["known entry one"])


def follow_the_advice(message: str) -> None:
    folder = Path(re.search(r"delete (\S+) to", message)[1])
    shutil.rmtree(folder)


def write_data(folder: Path) -> Path:
    for stage in (TINY.pretrain, TINY.finetune):
        for name in ("train", "validation", "test"):
            split = load_split(TINY, stage.corpus, name, None)
            (folder / stage.corpus.name).mkdir(parents=True, exist_ok=True)
            for language, texts in (("de", split.sources), ("en", split.targets)):
                path = folder / stage.corpus.name / f"{name}.{language}"
                path.write_text("\n".join(["Ja." if language == "de" else "Yes.", *texts]) + "\n")
    return folder


@pytest.mark.parametrize(
    ("flags", "environment", "message"),
    [
        (["--minutes", "0"], {}, "--minutes 0: must be above 0"),
        (["--minutes", "-1"], {}, "--minutes -1: must be above 0"),
        (["--minutes", "nan"], {}, "--minutes nan: must be above 0"),
        (["--minutes", "5.1"], {}, "no more than the league's 5"),
        (["--minutes", "soon"], {}, "--minutes"),
        (["--preset", "slow"], {}, "--preset"),
        (["--sampler", "luck"], {}, "--sampler"),
        ([], {"WORLD_SIZE": "2"}, "a trial uses one device"),
        (["--entry", "../up"], {}, "--entry"),
        (["--d_model", "64"], {}, "--d_model"),
    ],
)
def test_a_bad_command_is_refused(simulated, monkeypatch, flags, environment, message):
    for name, value in environment.items():
        monkeypatch.setitem(os.environ, name, value)
    with pytest.raises(UserError) as error:
        simulated.play(*flags)
    assert message in str(error.value) and str(error.value).count("\n") == 0
    assert not (simulated.folder / "runs").exists()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "o such file"),
        ("{", "Expecting"),
        ("[]", "Expected `object`, got `array`"),
        (json.dumps(FROM | {"host": 3}), "unknown field `host`"),
        (json.dumps(FROM | {"league": "chess"}), "league 'chess'"),
        (json.dumps(FROM | {"minutes": -1.0}), ">= 0.0 - at `minutes`"),
        (json.dumps(FROM | {"trials": -1}), ">= 0 - at `trials`"),
        (json.dumps(FROM | {"model_hp": FROM["model_hp"] | {"d_model": 33}}), "must be divisible by nhead"),
        (json.dumps(FROM | {"finetune_hp": FROM["finetune_hp"] | {"warmup_steps": 50}}), "--warmup_steps 50"),
        (json.dumps({name: FROM[name] for name in FROM if name != "seed"}), "missing required field `seed`"),
    ],
)
def test_a_broken_from_is_refused(simulated, content, message):
    path = simulated.folder / "from.json"
    path.unlink() if content is None else path.write_text(content)
    with pytest.raises(UserError) as error:
        simulated.play()
    assert message in str(error.value) and str(error.value).count("\n") == 0
    assert not (simulated.folder / "runs").exists()


def test_a_place_that_cannot_be_written_is_refused(simulated):
    (simulated.folder / "runs").write_text("a file")
    with pytest.raises(UserError, match="runs") as error:
        simulated.play("--minutes", "1")
    assert str(error.value).count("\n") == 0


def test_another_league_than_the_file_s_is_a_flag_that_wins(simulated):
    options, _ = parse_options(
        "", tune.EntryOptions, tune.TuneOptions, argv=["--from", "from.json", "--league", "demo"]
    )
    assert options.league == "demo" and to_builtins(options.settings) == FROM


def test_of_another_league_s_file_the_values_that_are_tuned_here_are_taken(simulated):
    best = {"league": "aing-open", "seed": 1, "trials": 0, "minutes": 0.0}
    best["model_hp"], best["finetune_hp"] = as_values(OpenHP(d_model=64)), as_values(OpenFinetuneHP(learning_rate=2e-5))
    (simulated.folder / "from.json").write_text(json.dumps(best))
    argv = ["--from", "from.json", "--league", "demo"]
    options, _ = parse_options("", tune.EntryOptions, tune.TuneOptions, argv=argv)
    start = tune.start_of(options)
    assert start["pretrain"]["d_model"] == 64 and start["finetune"]["learning_rate"] == 2e-5
    assert [set(values) for values in start.values()] == [set(STRUCTURE), set(SCHEDULE)]


def test_an_error_is_one_line_and_exit_code_2(played):
    words = command("tools.tune.__main__", "--entry", "new", "--minutes", "nan")
    done = run(words, played, expect=2)
    assert len(done.stderr.strip().splitlines()) == 1 and "Traceback" not in done.stderr and not done.stdout
    assert not (played / "runs" / "new").exists()


@pytest.mark.parametrize("stages", [("pretrain",), ("pretrain", "finetune", "score"), ()])
def test_an_entry_that_was_begun_by_hand_is_not_searched(simulated, played, stages):
    shutil.copytree(played / "runs" / "one", simulated.folder / "runs" / "s")
    path = simulated.folder / "runs" / "s" / "record.json"
    record = json.loads(path.read_text())
    record["stages"] = {name: facts for name, facts in record["stages"].items() if name in stages}
    if "score" not in stages:
        del record["score"]
    path.write_text(json.dumps(record))
    before = path.read_bytes()
    with pytest.raises(UserError, match="was begun without a search: take another --entry"):
        simulated.play()
    assert path.read_bytes() == before and not simulated.tune.exists()
