"""The record's shape: what one command wrote another reads, older formats are converted, all else is one line."""

import copy
import json
from pathlib import Path

import pytest

from league.errors import UserError
from league.record.rules import broken_rules
from league.record.shape import as_json, as_record, read_record, write_record

FORMAT_2 = Path(__file__).with_name("format_2.json")  # as the code before format 3 wrote it


def test_what_is_written_is_what_is_read(played, tmp_path):
    record = read_record(played / "runs" / "one" / "record.json")
    write_record(tmp_path / "record.json", record)
    assert read_record(tmp_path / "record.json") == record
    assert (tmp_path / "record.json").read_bytes() == (played / "runs" / "one" / "record.json").read_bytes()


def test_a_record_of_format_2_is_read_with_all_that_it_says():
    old, record = json.loads(FORMAT_2.read_text()), read_record(FORMAT_2)
    score = old["score"]
    assert (record.score.metric, record.score.value, record.score.rows) == ("bleu", score["bleu"], score["sentences"])
    assert (record.score.interval, record.score.signature) == (tuple(score["bleu_interval"]), score["bleu_signature"])
    assert record.score.extras == {name: score[name] for name in ("brevity_penalty", "chrf", "chrf_signature")}
    for name, facts in old["stages"].items():
        assert record.stages[name].validation == facts["validation_bleu"]
    new = as_json(record)
    for part in old.keys() - {"format", "stages", "score"}:
        assert new[part] == old[part]
    assert record.official and broken_rules(record) == []


def test_a_record_of_format_2_keeps_its_verdict():
    old = json.loads(FORMAT_2.read_text())
    old["score"]["sentences"] = 299
    old |= {"official": False, "broken_rules": [{"rule": "score.sentences", "expected": 300, "found": 299}]}
    record = as_record(old)
    assert record.broken_rules == broken_rules(record) != []


def test_an_unfinished_record_of_format_2_is_read():
    old = json.loads(FORMAT_2.read_text())
    del old["score"], old["stages"]["finetune"]
    record = as_record(old | {"official": False})
    assert record.score is None and list(record.stages) == ["pretrain"]


@pytest.mark.parametrize("part", ["score", "stages", "broken_rules", "clock"])
def test_a_record_of_format_2_that_is_not_whole_is_refused(part):
    old = json.loads(FORMAT_2.read_text())
    for value in (None, "x", {"x": {}}, [3]):
        with pytest.raises(ValueError):
            as_record(old | {part: value})


@pytest.mark.parametrize(
    ("path", "value", "reason"),
    [
        (("turbo",), 1, "unknown field `turbo`"),
        (("trials",), 1.0, "Expected `int`, got `float` - at `trials`"),
        (("trials",), True, "at `trials`"),
        (("stages", "warmup"), {}, "at `key` in `stages`"),
        (("score", "value"), 1e15, "at `score.value`"),
        (("asked", "league"), "a b", "Expected `str`"),
        (("entry",), "x\x1b[2J", "at `entry`"),
        (("score", "decoding"), {"x": {"y": ["\x1b"]}}, "control characters"),
        (("format",), 1, "format 1 of another version"),
        (("format",), "3", "at `format`"),
    ],
)
def test_what_is_wrong_is_told_in_a_line(played, tmp_path, path, value, reason):
    record = json.loads((played / "runs" / "one" / "record.json").read_text())
    inner = changed = copy.deepcopy(record)
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = value
    (tmp_path / "record.json").write_text(json.dumps(changed))
    with pytest.raises(UserError) as error:
        read_record(tmp_path / "record.json")
    assert reason in str(error.value) and len(str(error.value).splitlines()) == 1 and "put it back" in str(error.value)
