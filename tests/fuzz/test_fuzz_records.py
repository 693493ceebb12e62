"""Records and clocks of strangers: a reader answers with a sound value or with one line."""

import copy
import json
import math
import os
from pathlib import Path

import pytest
from fuzzing import (
    ANYTHING,
    KINDS,
    WILD,
    changed,
    examples,
    guard,
    refusal,
    spelled,
    spoilt,
    strings_in,
)
from hypothesis import given
from hypothesis import strategies as st
from msgspec import to_builtins

from league.record.clock import Clock
from league.record.rules import broken_rules
from league.record.shape import as_json, as_record, read_record


def check_record(path: Path) -> dict | None:
    """Read a record; what is accepted can be judged, written again and shown."""
    record, _ = refusal(path.parent, read_record, path)
    if record is not None:
        broken = broken_rules(record)
        assert isinstance(broken, list)
        record = as_json(record)
        for value in (record, to_builtins(broken)):
            json.dumps(value, ensure_ascii=False, allow_nan=False).encode()
        # A terminal obeys these; so does whoever prints the names and values of rules.
        assert not any(ord(letter) < 32 or 127 <= ord(letter) < 160 for text in strings_in(record) for letter in text)
    return record


@pytest.fixture(scope="session")
def record(played) -> dict:
    return json.loads((played / "runs" / "one" / "record.json").read_text())


@examples(150)
@given(content=st.binary(max_size=200) | ANYTHING.map(spelled))
def test_a_record_of_anything(new_folder, content):
    path = new_folder() / "record.json"
    path.write_bytes(content)
    assert check_record(path) is None


@examples(500)
@given(data=st.data())
def test_a_record_that_was_changed(new_folder, record, data):
    path = new_folder() / "record.json"
    path.write_bytes(data.draw(changed(record)))
    check_record(path)


@examples(100)
@given(data=st.data())
def test_a_record_that_was_spoilt(new_folder, record, data):
    path = new_folder() / "record.json"
    path.write_bytes(data.draw(spoilt(json.dumps(record, indent=2).encode())))
    check_record(path)


SCHEDULES = [{"lr_scheduler_type": "warmup_stable_decay"}, {"lr_scheduler_type": "inverse_sqrt", "warmup_steps": -5}]
SCHEDULES += [{"lr_scheduler_type": "inverse_sqrt", "warmup_steps": 0}, {"warmup_steps": 1e14}, {"warmup_steps": -0.5}]


@pytest.mark.parametrize("step", [0, 1, 5, 11, 2**53 - 1])
@pytest.mark.parametrize("asked", SCHEDULES, ids=str)
def test_a_schedule_that_cannot_be_is_judged_all_the_same(new_folder, record, asked, step):
    path, other = new_folder() / "record.json", copy.deepcopy(record)
    other["asked"] |= asked
    for stage in other["stages"].values():
        stage["curve"][0]["step"] = step
    path.write_bytes(spelled(other))
    assert check_record(path) and broken_rules(as_record(other))


def test_each_value_that_may_be_missing_may_be_missing(new_folder, record):
    path = new_folder() / "record.json"
    for name in record["asked"]:
        path.write_bytes(
            spelled(record | {"asked": {key: value for key, value in record["asked"].items() if key != name}})
        )
        accepted = check_record(path)
        assert (accepted is None) is (name == "league")
        assert accepted is None or broken_rules(as_record(accepted)), name


def at(record: dict, value: str) -> bytes:
    """Put a spelling where a record may hold anything."""
    return json.dumps(record | {"score": record["score"] | {"decoding": "HERE"}}).replace('"HERE"', value).encode()


def test_every_value_of_a_record_replaced_by_every_wild_one(new_folder, record):
    path, places = new_folder() / "record.json", []

    def walk(inner, above):
        for key in inner if isinstance(inner, dict) else range(min(1, len(inner))):
            places.append((*above, key))
            if isinstance(inner[key], (dict, list)):
                walk(inner[key], (*above, key))

    walk(record, ())
    assert len(places) > 150
    wild = WILD if "FUZZ_EXAMPLES" in os.environ else [None, -1, 0, 2**53 - 1, 10**400, 1e14, "\ud800"]
    for place in places:
        for value in wild:
            other = copy.deepcopy(record)
            inner = other
            for key in place[:-1]:
                inner = inner[key]
            inner[place[-1]] = value
            path.write_bytes(spelled(other))
            check_record(path)


@pytest.mark.parametrize(
    "spelling",
    [
        '{"a": ' + "[" * 100_000 + "]" * 100_000 + "}",
        '{"a":' * 100_000 + "1" + "}" * 100_000,
        '{"a": ' + "[" * 40 + "]" * 40 + "}",
        '{"a": NaN}',
        '{"a": Infinity}',
        '{"a": -Infinity}',
        '{"a": 1e999}',
        '{"a": -1e999}',
        '{"a": ' + "9" * 5_000 + "}",
        '{"a": "\\ud800"}',
        '{"\\udfff": 1}',
        '{"a": "\\u001b[2J"}',
        '{"\\u001b[2J": 1}',
        '{"a": "\\u009b2J"}',
        '{"a": "' + "x" * 3_000_000 + '"}',
        '{"a": "\xff"}',
    ],
    ids=lambda spelling: spelling[:16].encode("unicode_escape").decode(),
)
def test_what_no_record_holds_is_refused_wherever_anything_may_be(new_folder, record, spelling):
    path = new_folder() / "record.json"
    path.write_bytes(at(record, '{"a": 1}'))
    assert check_record(path)
    path.write_bytes(at(record, spelling).replace(b"\xc3\xbf", b"\xff"))
    assert check_record(path) is None


def test_a_record_of_very_many_small_things_takes_little_memory(new_folder, record):
    path = new_folder() / "record.json"
    path.write_bytes(at(record, '{"a": [' + "[]," * 600_000 + "[]]}"))
    check_record(path)


def test_of_a_key_that_comes_twice_the_last_counts_and_is_checked(new_folder, record):
    path, text = new_folder() / "record.json", json.dumps(record)
    path.write_text('{"trials": "x", ' + text[1:])
    assert json.loads(json.dumps(check_record(path))) == record
    path.write_text(text[:-1] + ', "trials": "x"}')
    assert check_record(path) is None


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_no_file_is_no_record(new_folder, kind):
    path = new_folder() / "record.json"
    KINDS[kind](path)
    with guard(path.parent), pytest.raises(FileNotFoundError):
        read_record(path)


def check_clock(path: Path) -> Clock | None:
    clock, _ = refusal(path.parent, Clock, path, 1.0)
    if clock is not None:
        assert all(math.isfinite(seconds) and seconds >= 0 for seconds in clock.spent.values())
        assert math.isfinite(clock.used) and isinstance(clock.interruptions, int) and clock.interruptions >= 0
        clock.save()
        again = Clock(path, 1.0)
        assert again.interruptions == clock.interruptions and again.used == pytest.approx(clock.used, abs=0.1)
    return clock


STATE = {"spent": {"pretrain": 0.721, "finetune": 0.6, "score": 0.096}, "running": "score", "interruptions": 1}


@examples(400)
@given(data=st.data())
def test_a_clock_of_anything(new_folder, data):
    path = new_folder() / "clock.json"
    kinds = st.sampled_from([st.binary(max_size=99), ANYTHING.map(spelled), changed(STATE), spoilt(spelled(STATE))])
    path.write_bytes(data.draw(data.draw(kinds)))
    check_clock(path)


def test_a_clock_with_every_wild_value(new_folder):
    path = new_folder() / "clock.json"
    for key in STATE:
        for value in [*WILD, *({"pretrain": value} for value in WILD), *({value: 1.0} for value in map(str, WILD))]:
            path.write_bytes(spelled(STATE | {key: value}))
            check_clock(path)
    path.write_bytes(spelled(STATE))
    assert check_clock(path).interruptions == 2
    for content in (b"[" * 100_000, b'{"spent": {"a": ' + b"9" * 5_000 + b"}}", b" " * 3_000_000):
        path.write_bytes(content)
        assert check_clock(path) is None


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_no_file_is_no_clock(new_folder, kind):
    path = new_folder() / "clock.json"
    KINDS[kind](path)
    clock, _ = refusal(path.parent, Clock, path, 1.0)
    assert clock is None or clock.spent == {}
