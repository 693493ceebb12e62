"""The data: what is read, cleaned and sampled, the token cache, and the order and shape of batches."""

import hashlib
import json
import multiprocessing
import os
import random
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from datasets import Dataset
from hypothesis import given, settings
from hypothesis import strategies as st

from league.data import corpora, readers, tokens
from league.data.batches import PairCollator, TrainingOrder, length_grouped_order
from league.data.corpora import load_split
from league.data.tokens import encode, tokenize_split
from league.errors import UserError
from league_config import AING
from modeling.modeling_aing import shift_right
from modeling.tokenization_aing import train_tokenizer

ROOT = Path(__file__).parents[2]
CAPTIONS, TALKS = AING.pretrain.corpus, AING.finetune.corpus
PAIRS = [
    (f"Hund Nummer {i} läuft{' sehr weit' * (i % 7)}.", f"Dog {i} runs{' very far' * (i % 5)}.") for i in range(200)
]


def write_split(folder, pairs, corpus=CAPTIONS, split="train", end="\n"):
    (folder / corpus.name).mkdir(exist_ok=True)
    for side, language in enumerate(("de", "en")):
        text = "".join(pair[side] + end for pair in pairs)
        (folder / corpus.name / f"{split}.{language}").write_bytes(text.encode())


def load(folder, corpus=CAPTIONS, split="train", league=AING):
    return load_split(league, corpus, split, str(folder))


def refused(folder, *arguments, **keywords) -> str:
    with pytest.raises(UserError) as caught:
        load(folder, *arguments, **keywords)
    return str(caught.value)


@pytest.fixture(scope="module")
def tokenizer():
    return train_tokenizer([text for pair in PAIRS for text in pair], 300, 128)


@pytest.fixture
def split(tmp_path):
    write_split(tmp_path, PAIRS)
    return load(tmp_path)


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


# ---- tables

TEXT = ["null", "NA", "007", "a\u00a0b", "x\x85y", "\u2028", 'q, "r"\ns', " ", "", "\ufeff", "日本語"]
ROWS = [(f"{text} {i}" if i % 2 else text, i % 3) for i, text in enumerate(TEXT * 20)]
COLUMNS = ("text", "label")


def write_table(folder, rows, kind, names=COLUMNS, split="train"):
    (folder / CAPTIONS.name).mkdir(exist_ok=True)
    table = Dataset.from_dict(dict(zip((*names, "other"), zip(*((*row, 1) for row in rows), strict=True), strict=True)))
    path = folder / CAPTIONS.name / f"{split}.{kind}"
    {"jsonl": table.to_json, "csv": table.to_csv, "parquet": table.to_parquet}[kind](path)
    return path


@pytest.mark.parametrize("kind", ["jsonl", "csv", "parquet"])
def test_a_table_of_pairs_is_as_good_as_text_files(tmp_path, split, kind):
    for path in (tmp_path / CAPTIONS.name).iterdir():
        path.unlink()
    write_table(tmp_path, PAIRS, kind, ("de", "en"))
    assert load(tmp_path) == split


def test_text_files_go_before_a_table(tmp_path, split):
    write_table(tmp_path, PAIRS[:90], "jsonl", ("de", "en"))
    assert load(tmp_path) == split


@pytest.mark.parametrize("kind", ["jsonl", "csv", "parquet"])
def test_columns_come_as_they_are_written_line_by_line(tmp_path, kind):
    write_table(tmp_path, ROWS, kind)
    read = load_split(AING, CAPTIONS, "train", str(tmp_path), COLUMNS)
    tidied = [("\n".join(" ".join(line.split()) for line in text.split("\n")).strip(), str(i)) for text, i in ROWS]
    kept = [row for row in tidied if all(row)]
    assert list(zip(read.texts("text"), read.texts("label"), strict=True)) == kept
    assert read.report["dropped_one_sided"] == len(ROWS) - len(kept) > 0
    lines = "".join(f"{json.dumps(row, ensure_ascii=False)}\n" for row in kept)
    assert read.report["sha256"] == hashlib.sha256(lines.encode()).hexdigest()


def test_what_is_no_text_comes_as_json_and_what_is_missing_as_nothing(tmp_path):
    write_table(tmp_path, PAIRS, "jsonl", split="test").write_text(
        '{"text": ["a", "b\\n"], "label": 1.5}\n\n{"text": "c"}\n{"text": null, "label": true}\n'
    )
    read = load_split(AING, CAPTIONS, "test", str(tmp_path), COLUMNS)
    assert read.texts("label") == ["1.5", "", "true"] and read.texts("text") == ['["a", "b\\n"]', "c", ""]


BAD_TABLES = {
    ("jsonl", b'{"text": "a", "label": 1}\n{"text": "a", label}\n'): "train.jsonl, line 2: not a JSON object",
    ("jsonl", b'{"text": "a", "label": 1}\n7\n'): "train.jsonl, line 2: not a JSON object",
    ("jsonl", b'{"text": "a", "label": 1}\n\n{"text": "caf\xe9"}'): "train.jsonl, line 3: not valid UTF-8 (byte 0xe9)",
    ("jsonl", b'{"text": "a"}\n'): "has the columns text; wanted text and label",
    ("jsonl", b""): "train.jsonl is empty",
    ("csv", b"a,b\n1,2\n"): "has the columns a, b; wanted text and label",
    ("csv", b"text,label\n1,2,3\n"): "more values",
    ("csv", b"text,label\ncaf\xe9,1\n"): "can't decode byte 0xe9",
    ("csv", b'text,label\na,"2\n'): "train.csv",
    ("csv", b""): "train.csv",
    ("parquet", b"PAR1 and nothing else"): "train.parquet",
    ("parquet", b""): "train.parquet",
}


@pytest.mark.parametrize("kind, content", BAD_TABLES)
def test_a_table_that_cannot_be_read_is_named_in_one_line(tmp_path, kind, content, capfd):
    path = write_table(tmp_path, ROWS, kind)
    path.write_bytes(content)
    with pytest.raises(UserError) as caught:
        load_split(AING, CAPTIONS, "train", str(tmp_path), COLUMNS)
    assert BAD_TABLES[kind, content] in str(caught.value) and "\n" not in str(caught.value)
    assert capfd.readouterr() == ("", "")


def test_a_missing_table_is_named(tmp_path):
    with pytest.raises(UserError, match="needs train.jsonl or train.csv or train.parquet in multi30k"):
        load_split(AING, CAPTIONS, "train", str(tmp_path), COLUMNS)


def test_another_file_under_the_same_name_and_time_is_read_anew(tmp_path):
    path = write_table(tmp_path, [("text", i) for i in range(90)], "jsonl")
    read = load_split(AING, CAPTIONS, "train", str(tmp_path), COLUMNS)
    before = path.stat()
    path.write_text(path.read_text().replace('text":"text', 'text":"next'))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert set(load_split(AING, CAPTIONS, "train", str(tmp_path), COLUMNS).texts("text")) == {"next"}
    assert set(read.texts("text")) == {"text"}


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

ODD = [
    "",
    "a\u00a0b",
    "a\x1cb\x85c\rd",
    "\ufeff",
    "\0",
    "\ufffd",
    "👩‍🚀 e\u0301",
    "  a \t b ",
    "<eos>",
    "日本語",
    "x" * 3000,
]
LETTERS = st.characters(exclude_categories=["Cs"]) | st.sampled_from(" \t\r\x1c\u00a0\u0301'")
TEXTS = st.text(LETTERS, max_size=20) | st.sampled_from(ODD)


def read_pairs(monkeypatch, rows, split="train", corpus=CAPTIONS):
    monkeypatch.setattr(corpora, "_read", lambda *_: ("files", iter(rows)))
    return load_split(replace(AING, batch_size=1), corpus, split, "anywhere")


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


def test_memory_does_not_grow_with_the_text(tmp_path):
    folders = [tmp_path / "small", tmp_path / "large"]
    for folder, times in zip(folders, (16_000, 80_000), strict=True):
        folder.mkdir()
        write_split(folder, [("Hund " * 60 + str(i % 99), "dog " * 60 + str(i % 99)) for i in range(times)])
    command = [sys.executable, "-c", PEAKS, *folders]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    small, large = map(int, done.stdout.split())
    assert large - small < 0.5 * sum(path.stat().st_size for path in (folders[1] / "multi30k").iterdir())


# ---- the token cache


def ids_of(tokens) -> list:
    return [tuple(tokens[i][key].tolist() for key in ("input_ids", "labels")) for i in range(len(tokens))]


def only_file(cache):
    (path,) = cache.iterdir()  # exactly one, and nothing half-made beside it
    return path


@pytest.fixture
def cached(split, tokenizer, tmp_path):
    cache = tmp_path / "cache"
    return ids_of(tokenize_split(split, tokenizer, 16, cache)), cache


def test_the_cache_holds_what_the_tokenizer_gives(split, tokenizer, cached):
    ids, _ = cached
    sides = [[side_ids for side_ids, _ in encode(tokenizer, side, 16)] for side in (split.sources, split.targets)]
    assert ids == [tuple(pair) for pair in zip(*sides, strict=True)]


@settings(deadline=None)
@given(st.lists(st.tuples(TEXTS, TEXTS), max_size=12), st.integers(1, 5))
def test_tokens_are_those_of_whole_texts_whatever_is_done_together(tokenizer, tmp_path_factory, rows, chunk):
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("league.data.tokens.CHUNK", chunk)
        split = read_pairs(patched, [*PAIRS[:2], *rows], "test")
        tokens = tokenize_split(split, tokenizer, 12, tmp_path_factory.mktemp("cache"))
        whole = [encode(tokenizer, list(side), 12) for side in (split.sources, split.targets)]
    assert ids_of(tokens) == [(source, target) for (source, _), (target, _) in zip(*whole, strict=True)]
    assert tokens.num_cut() == sum(was_cut for side in whole for _, was_cut in side)


def test_a_hit_gives_the_same_without_tokenizing(split, tokenizer, cached, monkeypatch):
    ids, cache = cached
    monkeypatch.setattr("league.data.tokens._make", None)
    assert ids_of(tokenize_split(split, tokenizer, 16, cache)) == ids


def test_other_content_length_or_tokenizer_is_another_cache(split, tokenizer, cached, tmp_path):
    _, cache = cached
    tokenize_split(split, tokenizer, 12, cache)
    tokenize_split(split, train_tokenizer(split.targets, 270, 128), 16, cache)
    write_split(tmp_path, PAIRS[1:])
    tokenize_split(load(tmp_path), tokenizer, 16, cache)
    assert len(list(cache.iterdir())) == 4


def flip(at: int):
    def damage(path):
        content = bytearray(path.read_bytes())
        content[at] ^= 1
        path.write_bytes(content)

    return damage


DAMAGES = {
    "a bit at the start flipped": flip(9),
    "a bit in the middle flipped": flip(9_000),
    "a bit at the end flipped": flip(-3),
    "cut": lambda path: path.write_bytes(path.read_bytes()[:-8]),
    "emptied": lambda path: path.write_bytes(b""),
    "overwritten": lambda path: path.write_bytes(b"\0" * 64),
    "of another name": lambda path: path.rename(path.with_stem(path.stem[:-1] + "x")),
    "gone": lambda path: path.unlink(),
}


@pytest.mark.parametrize("name", DAMAGES)
def test_a_damaged_cache_is_made_again(split, tokenizer, cached, name):
    ids, cache = cached
    content = only_file(cache).read_bytes()
    DAMAGES[name](only_file(cache))
    assert ids_of(tokenize_split(split, tokenizer, 16, cache)) == ids
    assert only_file(cache).read_bytes() == content


def test_a_cache_of_another_version_is_not_read(split, tokenizer, cached, monkeypatch):
    ids, cache = cached
    monkeypatch.setattr(tokens, "CACHE_VERSION", tokens.CACHE_VERSION + 1)
    assert ids_of(tokenize_split(split, tokenizer, 16, cache)) == ids
    assert len(list(cache.iterdir())) == 2


def test_what_kills_left_in_the_cache_is_cleared_when_it_is_old(split, tokenizer, tmp_path):
    for name, hours in ((".making-old", 2), (".making-new", 0)):
        (tmp_path / name).mkdir()
        then = time.time() - 3600 * hours
        os.utime(tmp_path / name, (then, then))
    tokenize_split(split, tokenizer, 16, tmp_path)
    assert not (tmp_path / ".making-old").exists() and (tmp_path / ".making-new").exists()


def test_a_cache_that_cannot_be_written_is_a_user_error(split, tokenizer, tmp_path):
    (tmp_path / "cache").write_text("a file, where the folder should be")
    with pytest.raises(UserError, match="cache"):
        tokenize_split(split, tokenizer, 16, tmp_path / "cache")


def _tokenize_at_once(barrier, results, *arguments):
    barrier.wait()
    results.put(ids_of(tokenize_split(*arguments)))


def test_processes_at_once_make_one_sound_cache(split, tokenizer, cached, tmp_path):
    ids, _ = cached
    context = multiprocessing.get_context("fork")
    barrier, results, cache = context.Barrier(3), context.Queue(), tmp_path / "shared"
    arguments = (barrier, results, split, tokenizer, 16, cache)
    processes = [context.Process(target=_tokenize_at_once, args=arguments) for _ in range(3)]
    for process in processes:
        process.start()
    assert [results.get(timeout=60) for _ in processes] == [ids] * 3
    for process in processes:
        process.join()
    assert only_file(cache) and ids_of(tokenize_split(split, tokenizer, 16, cache)) == ids


# ---- ids


def test_truncation_keeps_the_end_and_is_counted(split, tokenizer, tmp_path):
    full = [ids for side in (split.sources, split.targets) for ids, _ in encode(tokenizer, side, 10_000)]
    tokens = tokenize_split(split, tokenizer, 16, tmp_path / "cache")
    short = [ids for pair in ids_of(tokens) for ids in pair]
    assert max(map(len, short)) == 16 and {ids[-1] for ids in short} == {tokenizer.eos_token_id}
    assert tokens.num_cut() == sum(len(ids) > 16 for ids in full) > 0


@pytest.mark.parametrize("excess, was_cut", [(-1, True), (0, False), (1, False)])
def test_truncation_begins_beyond_the_maximum(tokenizer, excess, was_cut):
    text = PAIRS[3][0]
    ids = tokenizer(text)["input_ids"]
    assert encode(tokenizer, [text], len(ids) + excess)[0][1] is was_cut


def test_ids_decode_to_the_text_they_were_made_of(split, tokenizer, tmp_path):
    tokens = tokenize_split(split, tokenizer, 10_000, tmp_path / "cache")
    for key, texts in (("input_ids", split.sources), ("labels", split.targets)):
        ids = [tokens[i][key] for i in range(len(tokens))]
        assert tokenizer.batch_decode(ids, skip_special_tokens=True) == texts


# ---- order


@settings(deadline=None, max_examples=30)
@given(st.integers(70, 700), st.integers(1, 64), st.integers(1, 40), st.integers(0, 2**31 - 1))
def test_an_order_has_the_right_length_and_no_pair_twice_in_an_epoch(num_pairs, batch_size, num_batches, seed):
    lengths = np.random.default_rng(seed).integers(1, 128, (2, num_pairs))
    order = length_grouped_order(lengths, batch_size, num_batches, seed)
    assert len(order) == batch_size * num_batches and 0 <= order.min() and order.max() < num_pairs
    whole = num_pairs // batch_size * batch_size
    for first in range(0, len(order), whole):
        epoch = order[first : first + whole]
        assert len(np.unique(epoch)) == len(epoch)


def test_an_order_is_a_function_of_its_seed_alone():
    lengths = np.random.default_rng(0).integers(1, 128, (2, 500))
    order = length_grouped_order(lengths, 8, 200, 7)
    np.random.seed(3)
    torch.manual_seed(3)
    assert (length_grouped_order(lengths, 8, 200, 7) == order).all()
    assert (length_grouped_order(lengths, 8, 200, 8) != order).any()
    assert (order[:496] != order[496:992]).any()  # a new order in each epoch


def test_a_longer_run_begins_like_a_shorter_one():
    lengths = np.random.default_rng(0).integers(1, 128, (2, 500))
    order = length_grouped_order(lengths, 8, 300, 7)
    assert (length_grouped_order(lengths, 8, 100, 7) == order[:800]).all()


def padding(order, lengths, batch_size) -> float:
    batches = lengths[:, order].reshape(len(lengths), -1, batch_size)
    return 1 - batches.sum() / (batches.max(axis=2).sum() * batch_size)


def test_batches_are_padded_far_less_than_random_ones():
    """Translations are about as long as what they translate: neither side may hold much padding."""
    numbers = np.random.default_rng(0)
    sources = numbers.integers(5, 60, 6400)
    lengths = np.stack((sources, np.maximum(2, (sources * numbers.normal(1.1, 0.2, 6400)).astype(int))))
    order = length_grouped_order(lengths, 64, 100, 1)
    by_target = np.concatenate([part[np.lexsort(lengths[:, part])] for part in np.split(np.arange(6400), 2)])
    assert padding(order, lengths, 64) < 0.7 * padding(by_target, lengths, 64)
    assert padding(order, lengths, 64) < 0.3 * padding(np.random.default_rng(1).permutation(6400), lengths, 64)


def test_short_and_long_batches_are_mixed():
    lengths = np.random.default_rng(0).integers(5, 60, (2, 6400))
    means = lengths[1, length_grouped_order(lengths, 64, 100, 1)].reshape(100, 64).mean(axis=1)
    assert abs(np.corrcoef(np.arange(100), means)[0, 1]) < 0.4


def test_the_training_order_counts_its_tokens(split, tokenizer, tmp_path):
    tokens = tokenize_split(split, tokenizer, 16, tmp_path / "cache")
    order = TrainingOrder(tokens, 64, 5, seed=1)
    assert len(order) == 5 * 64
    seen = [order[i] for i in range(2 * 64)]
    assert order.num_tokens(2) == sum(len(pair["input_ids"]) + len(pair["labels"]) for pair in seen)


# ---- batches


@settings(deadline=None)
@given(st.lists(st.tuples(*[st.lists(st.integers(4, 99), max_size=9)] * 2), min_size=1, max_size=5))
def test_a_batch_is_padded_masked_and_shifted(rows):
    model = SimpleNamespace(
        config=SimpleNamespace(pad_token_id=0),
        prepare_decoder_input_ids_from_labels=lambda labels: shift_right(labels, 0, 1),
    )
    pairs = [{"input_ids": np.array([*source, 2]), "labels": np.array([*target, 2])} for source, target in rows]
    batch = PairCollator(model)(pairs)
    assert len({tuple(batch[key].shape) for key in ("input_ids", "attention_mask")}) == 1
    for i, (source, target) in enumerate(rows):
        assert batch["input_ids"][i][batch["attention_mask"][i] == 1].tolist() == [*source, 2]
        assert not batch["input_ids"][i][batch["attention_mask"][i] == 0].any()
        labels = batch["labels"][i].tolist()
        assert labels == [*target, 2] + [-100] * (len(labels) - len(target) - 1)
        fed = batch["decoder_input_ids"][i].tolist()
        assert fed[: len(target) + 1] == [1, *target]
        assert all(token == 0 for token, label in zip(fed, labels, strict=True) if label == -100 and token != 2)
        assert fed[1:] == [0 if label == -100 else label for label in labels[:-1]]
