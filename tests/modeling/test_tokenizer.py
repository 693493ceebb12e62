"""The tokenizer: any text survives it, and nobody's text can play a special token."""

import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import AutoTokenizer, PreTrainedTokenizerFast

from league.tasks.checkpoint import load_tokenizer
from modeling.tokenization_aing import BOS, EOS, PAD, UNK, train_tokenizer

LINES = [
    "Ein Hund läuft durch den Schnee.",
    "A dog runs through the snow.",
    "Zwei Männer stehen am Herd und bereiten Essen zu.",
    "Two men are at the stove preparing food.",
] * 5
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=60)


def train(vocab_size=400):
    return train_tokenizer(LINES, vocab_size, 128)


TOKENIZER = train()


@settings(deadline=None)
@given(TEXTS)
def test_text_comes_back_up_to_nfc(text):
    ids = TOKENIZER(text)["input_ids"]
    assert TOKENIZER.decode(ids, skip_special_tokens=True) == unicodedata.normalize("NFC", text)


@settings(deadline=None)
@given(TEXTS)
def test_the_only_special_token_is_the_end(text):
    ids = TOKENIZER(text)["input_ids"]
    assert ids[-1] == TOKENIZER.eos_token_id
    assert not set(ids[:-1]) & set(TOKENIZER.all_special_ids)


@settings(deadline=None)
@given(st.lists(st.sampled_from([PAD, BOS, EOS, UNK, "a", " ", "<", "eos>"]), max_size=8).map("".join))
def test_special_tokens_in_plain_text_stay_text(text):
    ids = TOKENIZER(text)["input_ids"]
    assert not set(ids[:-1]) & set(TOKENIZER.all_special_ids)
    assert TOKENIZER.decode(ids, skip_special_tokens=True) == text


def test_the_special_tokens_have_the_first_ids():
    assert TOKENIZER.convert_tokens_to_ids([PAD, BOS, EOS, UNK]) == [0, 1, 2, 3]
    named = (TOKENIZER.pad_token_id, TOKENIZER.bos_token_id, TOKENIZER.eos_token_id, TOKENIZER.unk_token_id)
    assert named == (0, 1, 2, 3)


def test_a_word_is_the_same_token_wherever_it_stands():
    first, later = TOKENIZER("Hund")["input_ids"][:-1], TOKENIZER("Ein Hund")["input_ids"][:-1]
    assert later[-len(first) :] == first


def test_the_vocabulary_is_as_large_as_asked_for():
    assert sorted(train(300).get_vocab().values()) == list(range(300))
    assert len(TOKENIZER) < 400  # or as large as so little text makes it


def test_composed_and_decomposed_letters_are_one_text():
    assert TOKENIZER("M\u00e4nner")["input_ids"] == TOKENIZER("Ma\u0308nner")["input_ids"]


def test_training_again_gives_the_same_tokenizer():
    assert train().backend_tokenizer.to_str() == TOKENIZER.backend_tokenizer.to_str()


@pytest.mark.parametrize("reader", [AutoTokenizer, PreTrainedTokenizerFast])
def test_a_saved_tokenizer_reads_back_the_same(reader, tmp_path):
    TOKENIZER.save_pretrained(tmp_path)
    again = reader.from_pretrained(tmp_path)
    texts = [*LINES, "", "  two  spaces ", "unseen: Ωμέγα 🐕", f"a {EOS} in {PAD} plain text"]
    assert again(texts)["input_ids"] == TOKENIZER(texts)["input_ids"]
    ids = again(texts)["input_ids"]
    assert again.batch_decode(ids, skip_special_tokens=True) == texts
    assert again.model_max_length == 128 and again.model_input_names == ["input_ids", "attention_mask"]


def test_a_batch_is_padded_on_the_right():
    batch = TOKENIZER(["A dog", "A dog runs through the snow."], padding=True)
    assert batch["input_ids"][0][-1] == TOKENIZER.pad_token_id and batch["attention_mask"][0][-1] == 0
    assert set(batch) == {"input_ids", "attention_mask"}


LOSSES = {"lowercase": True, "rewritten": {r"https?://\S*": "http", "&amp;": "&"}}
LOOSE = train_tokenizer(LINES, 300, 128, masks=True, **LOSSES)


@settings(deadline=None)
@given(TEXTS)
def test_what_a_reader_may_lose_is_lost_alike_in_training_and_after(text):
    read = LOOSE.decode(LOOSE(f"{text} HTTP://a http://b &amp; C").input_ids, skip_special_tokens=True)
    assert read.endswith(" http://a http & c"), "what was written small is replaced, before the rest is"
    assert LOOSE(read).input_ids == LOOSE(LOOSE.decode(LOOSE(read).input_ids, skip_special_tokens=True)).input_ids


def test_only_the_tokenizer_of_the_league_s_own_options_is_taken(tmp_path):
    LOOSE.save_pretrained(tmp_path)
    assert load_tokenizer(tmp_path, 300, masks=True, **LOSSES)("A http://b").input_ids == LOOSE("A http://b").input_ids
    others = LOSSES["rewritten"] | {"(a+)+$": "b"}
    for options in ({}, {"lowercase": True}, LOSSES | {"rewritten": others}):
        with pytest.raises(ValueError, match="tokenizer.json is not as the league trains it"):
            load_tokenizer(tmp_path, 300, masks=True, **options)
