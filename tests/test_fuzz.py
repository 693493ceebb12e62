"""Files of strangers: whatever lies in them, a reader answers with a sound value or with one line.

Records, clocks, texts and checkpoints are made up or spoilt at random. The ordinary suite takes some hundred examples
of each; `FUZZ_EXAMPLES=5000 pytest tests/test_fuzz.py` takes that many.
"""

import copy
import faulthandler
import json
import math
import os
import pickle
import resource
import shutil
import signal
import sys
import tempfile
from contextlib import contextmanager
from dataclasses import fields, replace
from pathlib import Path

import pytest
import torch
from conftest import ROOT
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec import to_builtins
from play import TINY

from evaluate_bleu import ScoreOptions
from league.cli.options import parse_options
from league.data.corpora import load_split
from league.errors import UserError
from league.record.clock import Clock
from league.record.rules import broken_rules
from league.record.shape import as_json, as_record, read_record
from league.run import checkpoints
from league.tasks.task import task_of
from league.values import Options, TrainingOptions, check_entry_name, check_finetune_hp, check_model_hp, check_options
from league_config import AING, FinetuneHP, ModelHP
from train_finetune import FinetuneOptions

SECONDS, MEGABYTES = 20, 400  # far beyond what a reader needs, far below what a hang or a blow-up takes
ELSEWHERE: list[str] | None = None  # while a reader is watched: what it touched


def examples(number: int):
    """Return the settings of a test of so many examples."""
    deep = "FUZZ_EXAMPLES" in os.environ  # the ordinary suite takes the same examples each time
    number = int(os.environ.get("FUZZ_EXAMPLES", number))
    return settings(max_examples=number, deadline=None, derandomize=not deep, suppress_health_check=list(HealthCheck))


# ---- the guard: time, memory, and files elsewhere


class TooLong(BaseException):
    """No `except Exception` may swallow it."""


def _note(event: str, arguments: tuple) -> None:
    if ELSEWHERE is not None and event.split(".")[0] in ("open", "os", "shutil", "socket", "subprocess", "ctypes"):
        ELSEWHERE.append((event, arguments))


sys.addaudithook(_note)
CHANGES = ("os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.link", "os.symlink", "os.chmod", "os.truncate")
OWN = [str(ROOT), sys.prefix, sys.base_prefix, "/proc", "/sys", "/dev"]  # the code, and what describes the machine


def _is_elsewhere(event: str, arguments: tuple, folder: Path) -> bool:
    if event.split(".")[0] in ("socket", "subprocess") or event in ("os.system", "os.exec", "os.fork"):
        return True
    if event != "open" and event not in CHANGES or isinstance(arguments[0], int):
        return False
    path = os.path.realpath(os.fsdecode(arguments[0]))
    is_read = event == "open" and not arguments[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC)
    allowed = [str(folder.resolve()), *(OWN if is_read else [])]
    return not any(path == root or path.startswith(root + os.sep) for root in allowed)


@contextmanager
def guard(folder: Path):
    """Run a reader that has a while, some memory, and one folder; it may read its own code besides."""
    global ELSEWHERE

    def stop(*_):
        raise TooLong(f"more than {SECONDS} seconds")

    taken = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    limits = resource.getrlimit(resource.RLIMIT_AS)
    handler = signal.signal(signal.SIGALRM, stop)
    resource.setrlimit(resource.RLIMIT_AS, (taken + MEGABYTES * 2**20, limits[1]))
    signal.alarm(SECONDS)
    faulthandler.dump_traceback_later(3 * SECONDS, exit=True)  # a hang outside Python hears no signal
    tempfile.tempdir = str(folder)  # what it keeps for a while must lie there too
    ELSEWHERE = touched = []
    try:
        yield
    finally:
        ELSEWHERE = tempfile.tempdir = None
        signal.alarm(0)
        faulthandler.cancel_dump_traceback_later()
        signal.signal(signal.SIGALRM, handler)
        resource.setrlimit(resource.RLIMIT_AS, limits)
    strange = [(event, arguments) for event, arguments in touched if _is_elsewhere(event, arguments, folder)]
    assert not strange, strange


def refusal(folder: Path, function, *arguments):
    """Call a guarded reader; return its value and None, or None and the line that it refused with."""
    try:
        with guard(folder):
            return function(*arguments), None
    except UserError as error:
        line = " ".join(str(error).split())  # as `league.errors.leave` shows it
        assert line.isprintable() and 10 < len(line) < 2_000, error
        return None, line


@pytest.fixture
def new_folder():
    """Return a way to get an empty folder, for each example its own."""
    with tempfile.TemporaryDirectory() as root:
        yield lambda: Path(tempfile.mkdtemp(dir=root))


# ---- made-up values


WILD = [10**9, 10**18, 2**53, 2**63, 10**400, -1, 0, 1, -0.0, 0.5, 1e308, 1e-320, math.nan, math.inf, -math.inf]
WILD += ["", "x", "..", "../../etc/passwd", "/dev/zero", "\x1b[2J", "\ud800", "\u2028", "\u202e", "a" * 400]
WILD += [None, True, False, [], {}, [[]], {"": {}}]
ANYTHING = st.recursive(
    st.sampled_from(WILD) | st.integers() | st.floats() | st.text(st.characters(), max_size=20) | st.booleans(),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(st.characters(), max_size=8), inner, max_size=4)
    ),
    max_leaves=8,
)


def spelled(value) -> bytes:
    """Return JSON as a stranger may spell it: with NaN, and with numbers that are no floats."""
    return json.dumps(value).replace("Infinity", "1e999").encode()


@st.composite
def changed(draw, original) -> bytes:
    """Change values, keys and places of a JSON value, mostly leaving it JSON."""
    value = copy.deepcopy(original)
    for _ in range(draw(st.integers(1, 3))):
        inner = value
        while True:
            if not isinstance(inner, (dict, list)) or not inner:
                break
            keys = list(inner) if isinstance(inner, dict) else range(len(inner))
            key = draw(st.sampled_from(keys))
            if isinstance(inner[key], (dict, list)) and inner[key] and draw(st.integers(0, 9)):
                inner = inner[key]
                continue
            what = draw(st.sampled_from(["replace", "replace", "replace", "remove", "add", "repeat"]))
            if what == "replace":
                inner[key] = copy.deepcopy(draw(ANYTHING))  # some are shared, and changed in the next round
            elif what == "remove":
                del inner[key]
            elif what == "add" and isinstance(inner, dict):
                inner[draw(st.text(st.characters(), max_size=8))] = copy.deepcopy(draw(ANYTHING))
            elif isinstance(inner, list):
                inner += [inner[key]] * draw(st.sampled_from([1, 3, 12_000]))
            break
    return spelled(value)


@st.composite
def spoilt(draw, content: bytes) -> bytes:
    """Flip, cut, repeat or replace some bytes."""
    spoiled = bytearray(content)
    for _ in range(draw(st.integers(1, 3))):
        place = draw(st.integers(0, max(0, len(spoiled) - 1)))
        what = draw(st.sampled_from(["flip", "cut", "insert", "double", "drop"]))
        if what == "flip" and spoiled:
            spoiled[place] ^= draw(st.integers(1, 255))
        elif what == "cut":
            del spoiled[place:]
        elif what == "insert":
            spoiled[place:place] = draw(st.binary(max_size=8))
        elif what == "double":
            spoiled += spoiled[place:]
        else:
            del spoiled[place : place + draw(st.integers(1, 40))]
    return bytes(spoiled)


def strings_in(value):
    if isinstance(value, dict):
        yield from value
        value = list(value.values())
    if isinstance(value, list):
        for item in value:
            yield from strings_in(item)
    elif isinstance(value, str):
        yield value


# ---- records


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
    assert check_record(path) == record
    path.write_text(text[:-1] + ', "trials": "x"}')
    assert check_record(path) is None


def a_link(path: Path) -> None:
    path.symlink_to("/etc/passwd")


KINDS = {"folder": Path.mkdir, "pipe": os.mkfifo, "link": a_link, "loop": lambda path: path.symlink_to(path)}
KINDS |= {"endless": lambda path: path.symlink_to("/dev/zero")}


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_no_file_is_no_record(new_folder, kind):
    path = new_folder() / "record.json"
    KINDS[kind](path)
    with guard(path.parent), pytest.raises(FileNotFoundError):
        read_record(path)


# ---- clocks


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


# ---- command lines


SCRIPTS = [(TrainingOptions, ModelHP), (FinetuneOptions, FinetuneHP), (Options, ScoreOptions)]
FLAGS = sorted({f"--{item.name}" for kinds in SCRIPTS for kind in kinds for item in fields(kind)})
NUMBERS = ["1e400", "nan", "-nan", "inf", "-0", "-0.0", "1e-400", "0x10", "1_000", "٣", "9" * 5_000, "-1", "2", "0.5"]
WORDS = st.one_of(
    st.sampled_from(FLAGS),
    st.sampled_from(FLAGS).map(lambda flag: flag[:-1]),
    st.sampled_from(NUMBERS),
    st.sampled_from(["--help", "-h", "--", "-", "---", "--=", "@/etc/passwd", "%s", "%(prog)s", "{}", "aing", "demo"]),
    st.sampled_from(["..", ".", "", "a/b", "../x", "a\0b", "\x1b[2J", "true", "no", "/", "runs", "~", "CON", "cosine"]),
    st.text(st.characters(), max_size=12),
    st.tuples(st.sampled_from(FLAGS), st.sampled_from(NUMBERS) | st.text(st.characters(), max_size=8)).map("=".join),
)
PAIRS = st.tuples(st.sampled_from(FLAGS), st.sampled_from(NUMBERS) | WORDS)


@pytest.mark.parametrize("kinds", SCRIPTS, ids=["pretrain", "finetune", "bleu"])
@examples(80)
@given(words=st.lists(WORDS, max_size=6) | st.lists(PAIRS, max_size=3).map(lambda pairs: [w for p in pairs for w in p]))
def test_any_command_line(new_folder, capsys, kinds, words):
    def parse():
        options, hp = parse_options("A test.", *kinds, argv=words)
        if isinstance(hp, ModelHP):
            check_model_hp(hp)
        if isinstance(hp, FinetuneHP):
            check_finetune_hp(hp, options.rules.finetune.arguments["max_steps"])
        return options, hp

    try:
        parsed = parse()
    except UserError as error:
        assert " ".join(str(error).split()).isprintable(), error
        return
    except SystemExit as end:
        assert end.code == 0 and {"--help", "-h"} & {word[:6] if word[:2] == "--" else word[:2] for word in words}
        return
    finally:
        capsys.readouterr()
    options, hp = parsed
    assert isinstance(options, kinds[0]) and type(hp) is kinds[1] and 0 <= options.seed < 2**31
    assert all(math.isfinite(value) for value in vars(hp).values() if isinstance(value, (int, float)))
    assert stays_in_runs(options.entry)


def stays_in_runs(name: str) -> bool:
    runs = Path("runs").resolve()
    return (runs / name).resolve().parent == runs and name not in (".", "..") and not name.startswith(".")


@examples(500)
@given(st.text(st.sampled_from("./\\~-_ aZ0:\0\n\r\u2028é٣ｅ․／%$"), max_size=8) | st.text(st.characters()))
def test_an_entry_stays_in_runs_whatever_its_name(name):
    for check in (lambda: check_options(Options(entry=name)), lambda: check_entry_name("--pretrained", name)):
        try:
            check()
        except UserError:
            continue
        assert stays_in_runs(name) and name.isascii()


# ---- texts


FEW = replace(AING, batch_size=2)
LINES = st.one_of(
    st.binary(max_size=12),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=12).map(str.encode),
    st.sampled_from(["", " ", "\ufeff", "\u2028", "\r", "\0", "\x0b", "\x1c", "\x85", "\u00a0", "\ufffd"]).map(
        str.encode
    ),
    st.sampled_from([b"ein Hund", b"a dog", "Öl".encode(), b"\xff", b"\xef\xbb", b"x" * 5_000]),
)
TEXTS = st.builds(
    lambda start, lines, end: start + b"\n".join(lines) + end,
    st.sampled_from([b"", b"", b"\xef\xbb\xbf", b"\xff\xfe"]),
    st.lists(LINES | st.just(b"ein Hund"), max_size=9),
    st.sampled_from([b"", b"\n", b"\r\n"]),
)


@examples(300)
@given(
    sides=st.tuples(TEXTS, TEXTS) | TEXTS.map(lambda text: (text, text.replace(b"Hund", b"dog"))),
    split=st.sampled_from(["train", "validation", "test"]),
)
def test_any_text_files(new_folder, sides, split):
    folder = new_folder()
    (folder / "multi30k").mkdir()
    for language, content in zip(("de", "en"), sides, strict=True):
        (folder / "multi30k" / f"{split}.{language}").write_bytes(content)
    read, line = refusal(folder, load_split, FEW, AING.pretrain.corpus, split, str(folder))
    if read is None:
        return check_the_line_that_is_named(sides, line)
    report, texts = read.report, [*read.sources, *read.targets]
    assert len(read.sources) == len(read.targets) == report["used"] > 0
    assert report["rows"] == report["used"] + report["dropped_one_sided"] + report["dropped_broken"]
    assert report["rows"] == sides[0].removesuffix(b"\n").count(b"\n") + 1
    assert not any(set(text) & set("\n\r\u2028\x0b\x1c\x85\u00a0") for text in texts)
    if split == "train":
        assert all(texts) and not any("\0" in text for text in texts)


def check_the_line_that_is_named(sides: tuple[bytes, bytes], line: str) -> None:
    if "not valid UTF-8" in line:
        content = sides[".en, line" in line]
        number, byte = int(line.split(", line ")[1].split(":")[0]), line.split("byte 0x")[1][:2]
        named = content.split(b"\n")[number - 1]
        with pytest.raises(UnicodeDecodeError):
            named.decode()
        assert int(byte, 16) in named


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_no_file_is_no_text(new_folder, kind):
    folder = new_folder()
    (folder / "multi30k").mkdir()
    if kind in ("link", "endless"):
        pytest.skip("a participant may link to texts, and knows where to")
    KINDS[kind](folder / "multi30k" / "train.de")
    assert refusal(folder, load_split, FEW, AING.pretrain.corpus, "train", str(folder))[1]


# ---- checkpoints of others


class Bomb:
    """A pickle that leaves a mark when it is read."""

    def __init__(self, mark: Path):
        self.mark = mark

    def __reduce__(self):
        return os.mkdir, (str(self.mark),)


class Checkpoint:
    """A copy of a sound checkpoint, with code and pickles in it that leave a mark when they are run."""

    def __init__(self, original: Path, folder: Path):
        self.folder, self.mark = folder / "finetune", folder / "mark"
        shutil.copytree(original, self.folder)
        code = f"import os\nos.mkdir({str(self.mark)!r})\n"
        for name in ("modeling_aing.py", "configuration_aing.py", "tokenization_aing.py", "setup.py"):
            (self.folder / name).write_text(code)
        for name in ("pytorch_model.bin", "training_args.bin", "model.pkl", "optimizer.pt", "tokenizer.pkl"):
            (self.folder / name).write_bytes(pickle.dumps(Bomb(self.mark)))

    def json(self, name: str) -> dict:
        return json.loads((self.folder / name).read_text())

    def load(self):
        """Load it under guard; a model that comes out is whole."""
        try:
            loaded, line = refusal(self.folder, task_of(TINY).load_checkpoint, self.folder)
        finally:
            assert not self.mark.exists(), "code of the checkpoint was run"
        if loaded is None:
            return line
        model, tokenizer = loaded
        d_model = model.config.d_model
        assert model.get_input_embeddings().weight.shape == (TINY.vocab_size, d_model) and len(tokenizer) == 400
        assert all(weight.dtype == torch.float32 and weight.device.type == "cpu" for weight in model.parameters())
        assert model.num_parameters() < 10**6
        return None


@pytest.fixture
def copies(played, new_folder):
    original = played / "runs" / "one" / "finetune"
    task_of(TINY).load_checkpoint(original)  # imports what it needs
    return lambda: Checkpoint(original, new_folder())


def test_a_checkpoint_of_a_stranger_loads_without_its_code(copies):
    assert copies().load() is None


CONFIGS = ("config.json", "tokenizer.json", "tokenizer_config.json", "generation_config.json")


@examples(60)
@given(data=st.data())
def test_a_checkpoint_with_a_spoilt_file(copies, data):
    checkpoint = copies()
    name = data.draw(st.sampled_from([*CONFIGS, "model.safetensors"]))
    content = (checkpoint.folder / name).read_bytes()
    start = (
        0 if data.draw(st.booleans()) or name != "model.safetensors" else 4_000
    )  # most of its errors hide in its head
    spoiled = data.draw(spoilt(content[: start or None])) + (content[start:] if start else b"")
    (checkpoint.folder / name).write_bytes(spoiled)
    checkpoint.load()


@examples(150)
@given(data=st.data())
def test_a_checkpoint_with_changed_settings(copies, data):
    checkpoint = copies()
    name = data.draw(st.sampled_from(CONFIGS))
    (checkpoint.folder / name).write_bytes(data.draw(changed(checkpoint.json(name)) | ANYTHING.map(spelled)))
    checkpoint.load()


STRUCTURES = [("d_model", 10**9), ("d_model", 32.0), ("d_model", -32), ("num_layers", 10**6), ("num_layers", 64)]
STRUCTURES += [("vocab_size", 10**9), ("vocab_size", "400"), ("d_ff", 2**62), ("d_ff", 65_536), ("nhead", 0)]
STRUCTURES += [("nhead", 3), ("nhead", True), ("dropout", "x"), ("dropout", 7), ("dropout", None), ("d_model", [])]
STRUCTURES += [("model_type", "bert"), ("model_type", None), ("num_layers", 10**400), ("dropout", 10**400)]


@pytest.mark.parametrize(("name", "value"), STRUCTURES)
def test_a_structure_that_the_weights_have_not_is_refused(copies, name, value):
    checkpoint = copies()
    path = checkpoint.folder / "config.json"
    path.write_text(json.dumps(checkpoint.json("config.json") | {name: value}))
    assert checkpoint.load()


HARMLESS = {"torch_dtype": "float64", "dtype": "bfloat16", "auto_map": {"AutoModel": "modeling_aing.Other"}}
HARMLESS |= {"max_position_embeddings": 10**12, "pad_token_id": 10**9, "quantization_config": {"quant_method": "awq"}}
HARMLESS |= {"attn_implementation": "evil/kernel", "_name_or_path": "/etc", "tie_word_embeddings": False}
HARMLESS |= {"rope_theta": "x", "decoder_start_token_id": -7, "architectures": ["Bert"], "num_labels": 10**9}


@pytest.mark.parametrize("name", HARMLESS)
def test_what_is_not_the_structure_is_the_leagues_whatever_a_config_says(copies, name):
    checkpoint = copies()
    path = checkpoint.folder / "config.json"
    path.write_text(json.dumps(checkpoint.json("config.json") | {name: HARMLESS[name]}))
    assert checkpoint.load() is None


OTHER_FILES = {"tokenizer_file": "/etc/passwd", "vocab_file": "/etc/passwd", "gguf_file": "/etc/passwd"}
OTHER_FILES |= {"tokenizer_object": "/etc/passwd", "name_or_path": "/etc", "is_local": False, "from_slow": True}
OTHER_FILES |= {
    "auto_map": {"AutoTokenizer": ["tokenization_aing.T", "tokenization_aing.T"]},
    "extra_special_tokens": 3,
}
OTHER_FILES |= {"added_tokens_decoder": {"5": {"content": "x"}}, "chat_template": "{{ 1 }}", "fix_mistral_regex": True}


@pytest.mark.parametrize("name", OTHER_FILES)
def test_a_tokenizer_names_no_other_files(copies, name):
    checkpoint = copies()
    path = checkpoint.folder / "tokenizer_config.json"
    path.write_text(json.dumps(checkpoint.json(path.name) | {name: OTHER_FILES[name]}))
    assert name in checkpoint.load()


EXTRAS = {
    "adapter_config.json": {"base_model_name_or_path": "/etc", "peft_type": "LORA"},
    "model.safetensors.index.json": {"weight_map": {"a": "../../x.safetensors"}},
    "special_tokens_map.json": {"gguf_file": "/etc/passwd", "tokenizer_file": "/etc/passwd"},
    "added_tokens.json": {"<x>": 10**9},
    "generation_config.json": {"num_beams": 10**9, "custom_generate": "evil"},
    "preprocessor_config.json": {"auto_map": {"AutoTokenizer": "tokenization_aing.T"}},
}


@pytest.mark.parametrize("name", EXTRAS)
def test_files_that_no_checkpoint_needs_change_nothing(copies, name):
    checkpoint = copies()
    (checkpoint.folder / name).write_text(json.dumps(EXTRAS[name]))
    assert checkpoint.load() is None


@pytest.mark.parametrize("kind", [*KINDS, "missing", "pickle", "legacy pickle", "empty"])
@pytest.mark.parametrize("name", ["config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"])
def test_a_file_that_is_none_or_another_kind_is_refused(copies, name, kind):
    checkpoint = copies()
    path = checkpoint.folder / name
    path.unlink()
    if kind in KINDS:
        KINDS[kind](path)
    elif kind != "missing":
        path.write_bytes(b"")
        if kind != "empty":
            torch.save({"w": Bomb(checkpoint.mark)}, path, _use_new_zipfile_serialization=kind == "pickle")
    assert checkpoint.load()


def test_weights_whose_head_promises_more_than_the_file_holds_take_no_memory(copies):
    checkpoint = copies()
    path = checkpoint.folder / "model.safetensors"
    content = path.read_bytes()
    head = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
    for shape, end in (([10**6, 10**6], 4 * 10**12), ([2**40, 2**40], 2**82), ([2**63, 0], 0), ([-1], 4), ([10**9], 4)):
        name = next(key for key in head if key != "__metadata__")
        spoiled = head | {name: {"dtype": "F32", "shape": shape, "data_offsets": [0, end]}}
        text = json.dumps(spoiled).encode()
        path.write_bytes(len(text).to_bytes(8, "little") + text + content[-(len(content) // 2) :])
        assert checkpoint.load()
    for length in (0, 2**20, 2**40, 2**64 - 1):
        path.write_bytes(length.to_bytes(8, "little") + content[8:])
        assert checkpoint.load()


def test_a_weight_of_another_name_shape_or_kind_is_refused(copies):
    from safetensors.torch import load_file, save_file

    checkpoint = copies()
    path = checkpoint.folder / "model.safetensors"
    weights = load_file(path)
    name, weight = next((name, weight) for name, weight in weights.items() if weight.ndim == 2)
    for other in (
        {("\x1b[2J" if key == name else key): value for key, value in weights.items()},
        weights | {name: weight.T.contiguous().reshape(-1)},
        weights | {name: weight.reshape(1, *weight.shape).contiguous()},
        weights | {"more": torch.zeros(1)},
        {key: value for key, value in weights.items() if key != name},
    ):
        save_file(other, path)
        assert checkpoint.load()
    for kind in (torch.float64, torch.float16, torch.int8, torch.bool):
        save_file(weights | {name: weight.to(kind)}, path)
        checkpoint.load()


def test_ids_beyond_the_model_are_refused(copies):
    checkpoint = copies()
    values = checkpoint.json("tokenizer.json")
    word = list(values["model"]["vocab"])[-1]
    for number in (400, 2**31, 2**32 - 1, 2**32, -1):
        values["model"]["vocab"][word] = number
        (checkpoint.folder / "tokenizer.json").write_text(json.dumps(values))
        assert checkpoint.load()


# ---- checkpoints under way


@pytest.fixture(scope="session")
def sealed(played, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("sealed") / "checkpoint-5"
    folder.mkdir()
    for name in ("config.json", "tokenizer_config.json", "generation_config.json"):
        shutil.copyfile(played / "runs" / "one" / "finetune" / name, folder / name)
    (folder / "model.safetensors").write_bytes(bytes(range(256)) * 8)
    (folder / "empty").write_bytes(b"")
    checkpoints.seal(folder, 1)
    return folder


@examples(300)
@given(data=st.data())
def test_any_damage_to_a_sealed_checkpoint_is_seen(sealed, data):
    path = data.draw(st.sampled_from(sorted(sealed.iterdir())))
    content = path.read_bytes()
    what = data.draw(st.sampled_from(["flip", "flip", "cut", "remove", "spoil"] if content else ["remove"]))
    try:
        if what == "remove":
            path.unlink()
        else:
            place = data.draw(st.integers(0, len(content) - 1))
            flipped = content[:place] + bytes([content[place] ^ data.draw(st.integers(1, 255))]) + content[place + 1 :]
            other = {"flip": flipped, "cut": content[:place], "spoil": data.draw(spoilt(content))}[what]
            if other == content:
                return
            path.write_bytes(other)
        with guard(sealed):
            assert checkpoints.damage(sealed) is not None
    finally:
        path.write_bytes(content)
    assert checkpoints.damage(sealed) is None


def test_every_byte_of_a_seal_counts(sealed):
    path = sealed / checkpoints.SEAL
    content = path.read_bytes()
    try:
        for place in range(len(content)):
            for flip in (1, 0x20):
                path.write_bytes(content[:place] + bytes([content[place] ^ flip]) + content[place + 1 :])
                assert checkpoints.damage(sealed) is not None, (place, flip)
    finally:
        path.write_bytes(content)


@examples(100)
@given(content=ANYTHING.map(spelled) | st.binary(max_size=99))
def test_a_seal_of_anything_seals_nothing(sealed, content):
    path = sealed / checkpoints.SEAL
    before = path.read_bytes()
    try:
        path.write_bytes(content)
        with guard(sealed):
            assert checkpoints.damage(sealed) is not None
    finally:
        path.write_bytes(before)
