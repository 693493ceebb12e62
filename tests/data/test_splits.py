"""The splits: text files, what is cleaned and sampled, and what stays on disk."""

import hashlib
import random
import subprocess
import sys
from dataclasses import replace

import pytest
from conftest import ROOT
from hypothesis import given, settings
from hypothesis import strategies as st
from splits import CAPTIONS, PAIRS, TALKS, TEXTS, load, read_pairs, refused, write_split

from league.data import readers
from league_config import AING

pytest_plugins = "splits"

# ---- text files


@pytest.mark.parametrize("corpus", [CAPTIONS, TALKS])
@pytest.mark.parametrize("name", ["train", "validation", "test"])
def test_files_are_read_by_corpus_and_split(tmp_path, corpus, name):
    write_split(tmp_path, PAIRS, corpus, name)
    read = load(tmp_path, corpus, name)
    assert list(zip(read.sources, read.targets, strict=True)) == PAIRS
    assert read.name == f"{corpus.name}.{name}" and read.report["rows"] == read.report["used"] == len(PAIRS)


def test_invalid_utf8_names_file_and_line(tmp_path):
    write_split(tmp_path, PAIRS)
    path = tmp_path / "multi30k" / "train.en"
    lines = path.read_bytes().split(b"\n")
    lines[6] = b"caf\xe9"
    path.write_bytes(b"\n".join(lines))
    assert f"{path}, line 7:" in refused(tmp_path)


def test_different_line_counts_name_both_files_and_the_first_lonely_line(tmp_path):
    write_split(tmp_path, PAIRS)
    (tmp_path / "multi30k" / "train.en").write_text("one\ntwo\n")
    message = refused(tmp_path)
    assert "train.de has 200" in message and "train.en has 2" in message and "line 3 " in message


def test_a_missing_file_is_named(tmp_path):
    write_split(tmp_path, PAIRS)
    (tmp_path / "multi30k" / "train.de").unlink()
    message = refused(tmp_path)
    assert str(tmp_path / "multi30k" / "train.de") in message and "--data_dir" in message


@pytest.mark.parametrize("content", ["", "\n", " \n\t\n\u00a0"])
def test_an_empty_file_is_named(tmp_path, content):
    write_split(tmp_path, PAIRS)
    (tmp_path / "multi30k" / "train.en").write_text(content, encoding="utf-8")
    assert "train.en is empty" in refused(tmp_path)


@pytest.mark.parametrize("mark", ["\u00a0", "\u0085", "\u2028", "\u2029", "\x1c", "\x1d", "\x1e", "\x0b", "\x0c", "\r"])
def test_only_a_line_feed_ends_a_line(tmp_path, mark):
    write_split(tmp_path, [(f"ein{mark}Hund", "a dog"), *PAIRS])
    read = load(tmp_path)
    assert read.sources[:2] == ["ein Hund", PAIRS[0][0]] and read.report["rows"] == len(PAIRS) + 1


@settings(deadline=None)
@given(st.lists(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\n"), max_size=20), min_size=1))
def test_lines_come_back_as_written(tmp_path_factory, lines):
    path = tmp_path_factory.mktemp("lines") / "test.de"
    path.write_bytes("".join(f"{line}\n" for line in ["first", *lines]).encode())
    assert list(readers.read_lines(path)) == ["first", *lines]


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("start", [b"", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("has_last_end", [True, False])
def test_the_way_an_editor_saves_changes_nothing(tmp_path, split, end, start, has_last_end):
    write_split(tmp_path, PAIRS, end=end)
    for path in (tmp_path / "multi30k").iterdir():
        content = path.read_bytes()
        path.write_bytes(start + (content if has_last_end else content.removesuffix(end.encode())))
    assert load(tmp_path) == split


# ---- cleaning and sampling


def test_cleaning_drops_and_counts_what_cannot_teach(tmp_path):
    bad = [("", "only English"), ("nur Deutsch", " \u00a0"), ("", ""), ("kaputt \ufffd", "broken"), ("null", "nu\0ll")]
    write_split(tmp_path, [*bad, *PAIRS])
    read = load(tmp_path)
    assert (read.report["dropped_one_sided"], read.report["dropped_broken"]) == (3, 2)
    assert (read.report["rows"], read.report["used"]) == (205, 200)
    assert list(zip(read.sources, read.targets, strict=True)) == PAIRS


def test_the_test_split_stays_whole(tmp_path):
    write_split(tmp_path, [("", "only English"), *PAIRS], split="test")
    assert load(tmp_path, split="test").report["used"] == len(PAIRS) + 1


def test_sampling_takes_the_asked_number_in_order_and_the_same_ones_each_time(tmp_path):
    write_split(tmp_path, PAIRS)
    few = replace(CAPTIONS, num_train_pairs=70)
    read = load(tmp_path, few)
    places = [PAIRS.index(pair) for pair in zip(read.sources, read.targets, strict=True)]
    assert len(set(places)) == 70 and places == sorted(places) and places != list(range(70))
    assert load(tmp_path, few) == read
    assert load(tmp_path, few, league=replace(AING, sample_seed=1)).sources != read.sources
    assert len(read.rows.table.to_batches()) == 1, (
        "a batch for each stretch of neighbours would cost more than the rows"
    )


def test_validation_is_sampled_too(tmp_path):
    write_split(tmp_path, PAIRS, split="validation")
    assert load(tmp_path, replace(CAPTIONS, num_validation_pairs=9), "validation").report["used"] == 9


def test_fewer_pairs_than_asked_for_are_all_used_and_reported(split):
    assert split.report["used"] == len(PAIRS) < CAPTIONS.num_train_pairs


def test_fewer_pairs_than_a_batch_is_an_error(tmp_path):
    write_split(tmp_path, PAIRS[: AING.batch_size - 1] + [("", "only English")])
    message = refused(tmp_path)
    assert str(AING.batch_size - 1) in message and str(AING.batch_size) in message
    write_split(tmp_path, PAIRS[: AING.batch_size])
    assert load(tmp_path).report["used"] == AING.batch_size


def test_the_digest_follows_content_side_and_order(tmp_path):
    digests = set()
    for pairs in (PAIRS, [("ab", "c"), *PAIRS], [("a", "bc"), *PAIRS], [("c", "ab"), *PAIRS], PAIRS[::-1], PAIRS[:-1]):
        write_split(tmp_path, pairs)
        digests.add(load(tmp_path).report["sha256"])
    assert len(digests) == 6


# ---- what stays on disk


def by_lists(rows, split, most):
    """What a split holds, worked out in plain lists."""
    pairs = [tuple(" ".join(text.split()) for text in row) for row in rows]
    if split == "train":
        pairs = [pair for pair in pairs if all(pair) and not any(set(text) & {"\0", "\ufffd"} for text in pair)]
    if split != "test" and len(pairs) > most:
        pairs = [pairs[i] for i in sorted(random.Random(AING.sample_seed).sample(range(len(pairs)), most))]
    return pairs, hashlib.sha256("".join(f"{one}\t{other}\n" for one, other in pairs).encode()).hexdigest()


@settings(deadline=None)
@given(st.lists(st.tuples(TEXTS, TEXTS), max_size=30), st.sampled_from(["train", "validation", "test"]))
def test_a_split_is_what_plain_lists_give(rows, split):
    rows = [("ein Hund", "a dog"), *rows]
    corpus = replace(CAPTIONS, num_train_pairs=7, num_validation_pairs=9)
    pairs, digest = by_lists(rows, split, 7 if split == "train" else 9)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("league.data.rows.CHUNK", 4)
        read = read_pairs(patched, rows, split, corpus)
        sources, targets = ([pair[side] for pair in pairs] for side in (0, 1))
        assert (
            list(read.sources) == sources
            and read.targets == targets
            and [*read.sources, *read.targets] == sources + targets
        )
        assert read.sources[-1] == sources[-1] and read.targets[1:6:2] == targets[1:6:2]
        assert read.report["rows"] == len(rows) and read.report["used"] == len(pairs) == len(read.sources)
        assert read.report["sha256"] == digest


def test_the_sides_end_where_lists_end(split):
    with pytest.raises(IndexError):
        split.sources[len(PAIRS)]
    assert split.sources != split.targets and split.sources != split.sources[:-1] and split.sources != "text"


def test_files_are_read_the_same_whatever_the_blocks(tmp_path, monkeypatch):
    pairs = [(f"{i} {'ä' * (i * 977 % 5000)}", "a\x85b") for i in range(1, 900)]  # more than two blocks
    write_split(tmp_path, pairs)
    assert load(tmp_path).report["sha256"] == by_lists(pairs, "train", 20_000)[1]
    path = tmp_path / "multi30k" / "train.de"
    path.write_bytes(path.read_bytes() + b"\xff")
    assert f"{path}, line 900: not valid UTF-8 (byte 0xff)" in refused(tmp_path)


def test_no_room_for_the_pairs_is_a_user_error(tmp_path, monkeypatch):
    def fail(*_):
        raise OSError(28, "No space left on device")

    write_split(tmp_path, PAIRS)
    monkeypatch.setattr("tempfile.TemporaryFile", fail)
    assert "No space left" in refused(tmp_path)


PEAKS = """
import resource, sys
from dataclasses import replace
from itertools import chain
from pathlib import Path
from league.data.batches import TrainingOrder
from league.data.corpora import load_split
from league.data.tokens import tokenize_split
from league_config import AING
from modeling.tokenization_aing import train_tokenizer

for folder in sys.argv[1:]:
    split = load_split(AING, replace(AING.pretrain.corpus, num_train_pairs=10**7), "train", folder)
    tokenizer = train_tokenizer(split.sources[:100], 300, 128)
    assert sum(map(len, chain(split.sources, split.targets))) > 0
    order = TrainingOrder(tokenize_split(split, tokenizer, 128, Path(folder) / "cache"), 64, 9, 1)
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024))
"""


@pytest.mark.long
def test_memory_does_not_grow_with_the_text(tmp_path):
    folders = [tmp_path / "small", tmp_path / "large"]
    for folder, times in zip(folders, (16_000, 80_000), strict=True):
        folder.mkdir()
        write_split(folder, [("Hund " * 60 + str(i % 99), "dog " * 60 + str(i % 99)) for i in range(times)])
    command = [sys.executable, "-c", PEAKS, *folders]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    small, large = map(int, done.stdout.split())
    assert large - small < 0.5 * sum(path.stat().st_size for path in (folders[1] / "multi30k").iterdir())
