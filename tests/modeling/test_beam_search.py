"""The model's beam search: the library's results, token for token, for a fraction of its work."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from small_models import librarys, make_batch, make_model
from torch import nn

from modeling import AingForConditionalGeneration
from modeling.beam_search_aing import BLOCK, top


def count_rows(model: AingForConditionalGeneration, module: nn.Module, generate, **settings) -> list[int]:
    """Return how many rows `module` was given at each call."""
    rows = []
    hook = module.register_forward_pre_hook(lambda _, inputs: rows.append(inputs[0].shape[:-1].numel()))
    generate(**settings)
    hook.remove()
    return rows


@given(
    seed=st.integers(0, 50),
    num_sentences=st.integers(1, 9),
    num_beams=st.integers(2, 6),
    max_length=st.integers(2, 45),
    length_penalty=st.sampled_from([1.0, 0.0, 0.6, 2.0, -1.0]),
    early_stopping=st.sampled_from([False, True, "never"]),
    eagerness=st.sampled_from([0.0, 1.0, 2.0, 4.0]),
    returned=st.integers(1, 2),
)
@settings(max_examples=60, deadline=None, derandomize=True)
def test_finds_what_the_library_finds(seed, num_sentences, eagerness, returned, **search):
    model, batch = make_model(seed, eagerness), make_batch(seed, num_sentences)
    search |= {"num_return_sequences": returned, "do_sample": False}
    found = model.generate(**batch, **search, return_dict_in_generate=True)
    expected = librarys(model, **batch, **search, return_dict_in_generate=True, output_scores=True)
    assert torch.equal(found.sequences, expected.sequences)
    assert torch.allclose(found.sequences_scores, expected.sequences_scores, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    "special",
    [
        {"no_repeat_ngram_size": 2},
        {"min_length": 12},
        {"bad_words_ids": [[7], [9]]},
        {"use_cache": False},
        {"decoder_input_ids": torch.tensor([[1, 8], [1, 9], [1, 10]])},
        {"eos_token_id": [2, 3]},
        {"eos_token_id": None},
        {"pad_token_id": 5},
    ],
    ids=lambda special: next(iter(special)),
)
def test_whatever_else_is_asked_for_is_what_the_library_gives(special):
    model, batch = make_model(1), make_batch(1, 3)
    search = {"num_beams": 3, "max_length": 20, "do_sample": False} | special
    assert torch.equal(model.generate(**batch, **search), librarys(model, **batch, **search))


def test_a_memory_without_a_mask_is_seen_whole():
    model, batch = make_model(1), make_batch(1, 3)
    search = {"num_beams": 3, "max_length": 20, "do_sample": False}
    # One for each: generate() repeats what it is given for each beam, in its place.
    memories = [model.model.encoder(batch["input_ids"]) for _ in range(2)]
    found = model.generate(encoder_outputs=memories[0], **search)
    assert len(found) == 3 and torch.equal(found, librarys(model, encoder_outputs=memories[1], **search))


def test_whoever_asks_for_each_steps_scores_gets_them_from_the_library():
    model, batch = make_model(1), make_batch(1, 3)
    search = {"num_beams": 3, "max_length": 20, "return_dict_in_generate": True}
    ours, theirs = model.generate(**batch, **search, output_scores=True), librarys(model, **batch, **search)
    assert torch.equal(ours.sequences, theirs.sequences) and len(ours.scores) == ours.sequences.shape[1] - 1
    plain = model.generate(**batch, **search)
    assert plain.scores is None and torch.allclose(plain.sequences_scores, ours.sequences_scores)


def test_room_for_the_past_grows():
    model, batch = make_model(3, eagerness=-9.0), make_batch(3, 2)
    search = {"num_beams": 2, "max_length": 140, "do_sample": False}
    found = model.generate(**batch, **search)
    assert found.shape[1] == 140 and torch.equal(found, librarys(model, **batch, **search))


def test_a_sentence_that_runs_on_does_not_hold_the_others():
    model, batch = make_model(4, eagerness=4.0), make_batch(4, 40)
    search = {"num_beams": 4, "max_length": 60, "do_sample": False, "length_penalty": 0.0}
    alone = [
        sum(count_rows(model, model.lm_head, model.generate, **{k: v[i : i + 1] for k, v in batch.items()}, **search))
        for i in range(40)
    ]
    together = count_rows(model, model.lm_head, model.generate, **batch, **search)
    assert together[0] == 40, "at the first step all beams of a sentence are one"
    assert max(alone) > 10 * min(alone), "some of these sentences run on"
    # A few more than needed: those that are done leave when there are enough of them.
    assert sum(alone) <= sum(together) <= 1.2 * sum(alone)
    theirs = count_rows(model, model.lm_head, lambda **given: librarys(model, **given), **batch, **search)
    assert sum(theirs) > 1.5 * sum(together)


def test_the_source_is_projected_once_for_a_sentence():
    model, batch = make_model(5), make_batch(5, 6)
    module = model.model.decoder.layers[1].cross_attn.kv_proj
    search = {"num_beams": 4, "max_length": 30, "do_sample": False}
    assert count_rows(model, module, model.generate, **batch, **search) == [6 * 9]


@given(num_rows=st.integers(1, 5), k=st.integers(1, 12), num_blocks=st.integers(1, 60), seed=st.integers(0, 99))
@settings(max_examples=60, deadline=None)
def test_top_is_the_top(num_rows, k, num_blocks, seed):
    scores = torch.randn(num_rows, num_blocks * BLOCK, generator=torch.Generator().manual_seed(seed))
    values, places = top(scores, k)
    expected = scores.topk(k)
    assert torch.equal(values, expected.values) and torch.equal(places, expected.indices)
