"""What the library's shared tests of generation and of export ask of a model; its source distribution lacks those."""

import copy

import pytest
import torch
from transformers import DynamicCache, set_seed

from modeling import AingConfig, AingForConditionalGeneration, AingModel

LENGTH = 8  # tokens to generate
PAD = torch.zeros(3, 4, dtype=torch.long)


@pytest.fixture(scope="module")
def model():
    set_seed(0)
    config = AingConfig(vocab_size=99, d_model=16, nhead=4, num_layers=2, d_ff=32, max_position_embeddings=50)
    return AingForConditionalGeneration(config).eval()


@pytest.fixture(scope="module")
def source():
    return torch.randint(3, 99, (3, 7), generator=torch.Generator().manual_seed(1))


@pytest.fixture(scope="module")
def prompt():
    return torch.randint(3, 99, (3, 5), generator=torch.Generator().manual_seed(2))


def generate(model, source=None, **kwargs):
    # No token twice: left alone, a model of random weights says one token over and over, and hides what it got wrong.
    defaults = {"max_new_tokens": LENGTH, "min_new_tokens": LENGTH, "no_repeat_ngram_size": 1}
    return model.generate(source, **{**defaults, **kwargs})


@pytest.fixture(scope="module")
def greedy(model, source):
    return generate(model, source)


def other(model, **changes):
    """The same model of another seed, or with other settings."""
    config = copy.deepcopy(model.config)
    return AingForConditionalGeneration._from_config(config, **changes).eval()


@pytest.mark.parametrize("num_beams", [1, 3])
@pytest.mark.parametrize("kwargs", [{"use_cache": False}, {"cache_implementation": "static", "disable_compile": True}])
def test_caches_do_not_change_what_is_generated(model, source, num_beams, kwargs):
    expected = generate(model, source, num_beams=num_beams)
    assert torch.equal(generate(model, source, num_beams=num_beams, **kwargs), expected)


@pytest.mark.parametrize("attention", ["eager", "sdpa", pytest.param("flex_attention", marks=pytest.mark.slow)])
def test_attentions_do_not_change_what_is_generated(model, source, greedy, attention):
    twin = other(model, attn_implementation=attention)
    twin.load_state_dict(model.state_dict())
    assert torch.equal(generate(twin, source), greedy)


@pytest.mark.parametrize("kwargs", [{"num_beams": 3}, {"do_sample": True}, {"do_sample": True, "num_beams": 3}])
def test_several_sequences_are_returned(model, source, kwargs):
    assert generate(model, source, num_return_sequences=2, **kwargs).shape == (6, 1 + LENGTH)


@pytest.mark.parametrize("assistant", ["itself", "another", "prompt"])
def test_assistants_do_not_change_what_is_generated(model, source, greedy, assistant):
    if assistant == "prompt":
        kwargs = {"prompt_lookup_num_tokens": 2}
    else:
        kwargs = {"assistant_model": model if assistant == "itself" else other(model)}
    for row, expected in zip(source, greedy, strict=True):  # one at a time: assisted generation takes no batches
        assert torch.equal(generate(model, row[None], **kwargs)[0], expected)


@pytest.mark.parametrize("side", ["left", "right"])
def test_padded_sources_do_not_change_what_is_generated(model, source, greedy, side):
    padded = torch.cat((PAD, source) if side == "left" else (source, PAD), dim=1)
    assert torch.equal(generate(model, padded, attention_mask=(padded != 0).long()), greedy)


def test_left_padded_prompts_do_not_change_what_is_generated(model, source, prompt):
    start = torch.tensor([[model.config.decoder_start_token_id]])
    prompts = [torch.cat((start, row[None, :length]), dim=1) for row, length in zip(prompt, (5, 3, 1), strict=True)]
    padded = torch.cat([torch.cat((PAD[:1, : 6 - row.shape[1]], row), dim=1) for row in prompts])
    wanted = {"output_logits": True, "return_dict_in_generate": True, "no_repeat_ngram_size": 0}
    together = generate(model, source, decoder_input_ids=padded, decoder_attention_mask=(padded != 0).long(), **wanted)
    for i, row in enumerate(prompts):
        alone = generate(model, source[i : i + 1], decoder_input_ids=row, **wanted)
        assert torch.equal(together.sequences[i, 6:], alone.sequences[0, row.shape[1] :])
        torch.testing.assert_close(torch.stack(together.logits)[:, i], torch.stack(alone.logits)[:, 0])


def test_embeddings_and_encoder_outputs_stand_for_the_source(model, source, greedy):
    assert torch.equal(generate(model, inputs_embeds=model.get_input_embeddings()(source)), greedy)
    with torch.no_grad():
        assert torch.equal(generate(model, encoder_outputs=model.get_encoder()(source)), greedy)


def test_generation_continues_from_a_past(model, source, greedy):
    half = {"max_new_tokens": LENGTH // 2, "min_new_tokens": LENGTH // 2}
    first = generate(model, source, return_dict_in_generate=True, **half)
    past = {"decoder_input_ids": first.sequences, "past_key_values": first.past_key_values}
    past["decoder_attention_mask"] = torch.ones_like(first.sequences)  # tells the library that none of it is new
    assert torch.equal(generate(model, source, **past, **half), greedy)


@pytest.mark.parametrize("kwargs", [{}, {"use_cache": False}, {"num_beams": 2}])
def test_generation_returns_what_it_saw(model, source, kwargs):
    eager = other(model, attn_implementation="eager")
    wanted = dict.fromkeys(("scores", "logits", "attentions", "hidden_states"), True)
    wanted = {f"output_{name}": value for name, value in wanted.items()}
    out = generate(eager, source, return_dict_in_generate=True, **wanted, **kwargs)
    rows = 3 * kwargs.get("num_beams", 1)
    assert [a.shape for a in out.encoder_attentions] == [(3, 4, 7, 7)] * 2
    assert [h.shape for h in out.encoder_hidden_states] == [(3, 7, 16)] * 3
    assert len(out.scores) == len(out.logits) == LENGTH
    assert out.scores[0].shape == (rows, 99)
    steps = zip(out.decoder_attentions, out.cross_attentions, out.decoder_hidden_states, strict=True)
    for step, (attentions, cross_attentions, states) in enumerate(steps):
        queries = 1 if kwargs.get("use_cache", True) else step + 1
        assert [a.shape for a in attentions] == [(rows, 4, queries, step + 1)] * 2
        assert [a.shape for a in cross_attentions] == [(rows, 4, queries, 7)] * 2
        assert [h.shape for h in states] == [(rows, queries, 16)] * 3


def test_a_single_cache_holds_the_target_alone(model, source, prompt):
    with torch.no_grad():
        expected = model(source, decoder_input_ids=prompt, use_cache=False).logits
        cache = DynamicCache(config=model.config)
        for step in range(prompt.shape[1]):
            logits = model(source, decoder_input_ids=prompt[:, step : step + 1], past_key_values=cache).logits
            torch.testing.assert_close(logits[:, 0], expected[:, step])
    assert cache.get_seq_length() == prompt.shape[1]


@pytest.mark.slow
def test_generation_compiles_without_graph_breaks(model, source, greedy):
    compiled = copy.deepcopy(model)
    compiled.forward = torch.compile(compiled.forward, fullgraph=True)
    assert torch.equal(generate(compiled, source, cache_implementation="static"), greedy)


@pytest.mark.slow
@pytest.mark.parametrize("model_class", [AingModel, AingForConditionalGeneration])
@pytest.mark.parametrize("attention", ["eager", "sdpa"])
@torch.no_grad()
def test_models_are_exported_for_any_lengths(model, source, prompt, model_class, attention):
    exported = model_class._from_config(copy.deepcopy(model.config), attn_implementation=attention).eval()
    # The library has no tree of an encoder-decoder's pair of caches, so a model is exported without one.
    inputs = {"input_ids": source, "attention_mask": torch.ones_like(source), "decoder_input_ids": prompt}
    any_size = {0: torch.export.Dim.DYNAMIC, 1: torch.export.Dim.DYNAMIC}
    program = torch.export.export(
        exported,
        (),
        {**inputs, "use_cache": False},
        dynamic_shapes={**dict.fromkeys(inputs, any_size), "use_cache": None},
        strict=False,
    ).module()
    for rows, source_length, target_length in ((3, 7, 5), (2, 9, 4)):
        ids = torch.randint(3, 99, (rows, source_length))
        inputs = {"input_ids": ids, "attention_mask": torch.ones_like(ids), "decoder_input_ids": ids[:, :target_length]}
        actual, expected = program(**inputs, use_cache=False)[0], exported(**inputs, use_cache=False)[0]
        torch.testing.assert_close(actual, expected)
