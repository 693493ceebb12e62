"""The tokens: their cache, whatever happens to it, and the ids in it."""

import multiprocessing
import os
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from splits import PAIRS, TEXTS, load, read_pairs, write_split

from league.data import tokens
from league.data.tokens import encode, tokenize_split
from league.errors import UserError
from modeling.tokenization_aing import train_tokenizer

pytest_plugins = "splits"

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


@pytest.mark.parametrize("most", [9, 16])
def test_rows_of_more_tokens_are_left_out_and_the_others_are_as_ever(split, tokenizer, tmp_path, most):
    tokens = tokenize_split(split, tokenizer, 16, tmp_path)
    sides = [[len(ids) for ids in tokenizer(list(texts))["input_ids"]] for texts in (split.sources, split.targets)]
    kept = [i for i, lengths in enumerate(zip(*sides, strict=True)) if max(lengths) <= most]
    shorter = tokens.of_at_most(most)
    assert 0 < len(shorter) == len(kept) < len(tokens) and shorter.num_cut() == 0
    assert sorted([*kept, *shorter.left_out()]) == list(range(len(tokens))) and not len(tokens.left_out())
    assert shorter.lengths().tolist() == [[side[i] for i in kept] for side in sides]
    for i, row in enumerate(kept):
        assert all((shorter[i][name] == ids).all() for name, ids in tokens[row].items())


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
