"""Command lines and texts of any kind: a reader answers with a sound value or with one line."""

import math
from dataclasses import fields, replace
from pathlib import Path

import pytest
from fuzzing import KINDS, examples, refusal
from hypothesis import given
from hypothesis import strategies as st

from evaluate_bleu import ScoreOptions
from league.cli.options import parse_options
from league.data.corpora import load_split
from league.errors import UserError
from league.values import Options, TrainingOptions, check_entry_name, check_finetune_hp, check_model_hp, check_options
from league_config import AING, FinetuneHP, ModelHP
from train_finetune import FinetuneOptions

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
