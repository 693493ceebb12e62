"""The model: what must hold of any encoder-decoder Transformer, and of a good citizen of the library."""

import os
import subprocess
import sys
from collections import Counter

import pytest
import torch
from torch.nn import functional as F
from transformers import AutoConfig, AutoModel, AutoModelForSeq2SeqLM
from transformers.trainer_pt_utils import LabelSmoother

from modeling import AingConfig, AingForConditionalGeneration, AingModel
from modeling.modeling_aing import AingEncoder, Dropout, rotary_angles, rotate

VOCAB = 60


def make_model(**changes) -> AingForConditionalGeneration:
    torch.manual_seed(0)
    values = {"vocab_size": VOCAB, "d_model": 32, "nhead": 4, "num_layers": 2, "d_ff": 48, "dropout": 0.1} | changes
    return AingForConditionalGeneration(AingConfig(**values)).eval()


def make_batch(num=3, source=7, target=6):
    generator = torch.Generator().manual_seed(1)
    input_ids = torch.randint(4, VOCAB, (num, source), generator=generator)
    labels = torch.randint(4, VOCAB, (num, target), generator=generator)
    return {"input_ids": input_ids, "attention_mask": torch.ones_like(input_ids), "labels": labels}


@pytest.mark.parametrize("attention", ["eager", "sdpa"])
def test_no_position_sees_the_targets_after_it(attention):
    model, batch = make_model(), make_batch()
    model.set_attn_implementation(attention)
    before = model(**batch).logits
    for position in range(1, 6):
        changed = {**batch, "labels": batch["labels"].clone()}
        changed["labels"][:, position] = 5 + (changed["labels"][:, position] == 5)
        after = model(**changed).logits
        assert torch.allclose(before[:, : position + 1], after[:, : position + 1], atol=1e-5)
        if position < 5:
            assert not torch.allclose(before[:, position + 1], after[:, position + 1], atol=1e-5)


@pytest.mark.parametrize("side", ["right", "left"])
def test_padding_changes_nothing(side):
    model, batch = make_model(), make_batch()
    plain = model(**batch).logits
    pad, mask = torch.zeros(3, 4, dtype=torch.long), torch.zeros(3, 4, dtype=torch.long)
    pieces = [(batch["input_ids"], pad), (batch["attention_mask"], mask)]
    input_ids, attention_mask = (torch.cat(pair if side == "right" else pair[::-1], dim=1) for pair in pieces)
    padded = model(input_ids=input_ids, attention_mask=attention_mask, labels=batch["labels"]).logits
    assert torch.allclose(plain, padded, atol=1e-5)


def test_every_dropout_of_the_model_is_in_the_way():
    model, batch, seen = make_model(dropout=0.5).train(), make_batch(), Counter()
    parts = {name: part for name, part in model.named_modules() if isinstance(part, Dropout)}
    for name, part in parts.items():
        part.register_forward_hook(lambda *_, name=name: seen.update([name]))
    assert not torch.equal(model(**batch).logits, model(**batch).logits)
    # Once for the embeddings of each side, and behind each block: two in an encoder's layer, three in a decoder's.
    assert sorted(number // 2 for number in seen.values()) == [1, 1, 2, 2, 3, 3] and seen.keys() == parts.keys()


def test_every_source_token_reaches_every_target():
    model, batch = make_model(), make_batch()
    before = model(**batch).logits
    batch["input_ids"][:, 3] = 4 + (batch["input_ids"][:, 3] == 4)
    assert ((model(**batch).logits - before).abs().amax(-1) > 1e-6).all()


def test_word_order_matters():
    model, batch = make_model(), make_batch()
    flipped = {**batch, "input_ids": batch["input_ids"].flip(1)}
    assert not torch.allclose(model(**batch).logits, model(**flipped).logits, atol=1e-4)


def test_rotated_products_depend_on_distance_alone():
    query, key = torch.randn(1, 1, 1, 8), torch.randn(1, 1, 1, 8)

    def product(query_position, key_position):
        angles = [rotary_angles(position, 1, 8, 1e4, "cpu") for position in (query_position, key_position)]
        return rotate(query, angles[0]) @ rotate(key, angles[1]).mT

    assert torch.allclose(product(5, 0), product(8, 3), atol=1e-5)
    assert torch.allclose(product(5, 0), product(95, 90), atol=1e-5)
    assert not torch.allclose(product(5, 0), product(6, 0), atol=1e-3)


@pytest.mark.parametrize("num_beams", [1, 4])
def test_cached_decoding_equals_full_decoding(num_beams):
    model, batch = make_model(), make_batch()
    batch["attention_mask"][1, 4:] = 0
    batch.pop("labels")
    settings = {"num_beams": num_beams, "max_length": 25, "do_sample": False}
    assert torch.equal(
        model.generate(**batch, **settings, use_cache=True), model.generate(**batch, **settings, use_cache=False)
    )


def test_attention_implementations_agree():
    model, batch = make_model(), make_batch()
    batch["attention_mask"][0, 5:] = 0
    model.set_attn_implementation("eager")
    eager = model(**batch).logits
    model.set_attn_implementation("sdpa")
    assert torch.allclose(eager, model(**batch).logits, atol=1e-5)


@pytest.mark.parametrize("share", [0.003, 0.1, 0.37])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_dropout_drops_each_value_with_its_probability(share, dtype):
    torch.manual_seed(0)
    dropout, num = Dropout(share).train(), 400
    x = torch.ones(3, 501, dtype=dtype)
    kept = torch.stack([dropout(x) for _ in range(num)])
    assert set(kept.unique().tolist()) == {0.0, float(torch.tensor(1 / (1 - share), dtype=dtype))}
    dropped = (kept == 0).double()
    # Calls differ by the rounding of their threshold, one in 256, besides their sample.
    error = (share * (1 - share) / dropped.numel() + (1 / 256) ** 2 / num) ** 0.5
    assert abs(float(dropped.mean()) - share) < 4 * error
    by_place = dropped.mean(0)
    assert float(by_place.max() - share) < 6 * (share * (1 - share) / num) ** 0.5
    neighbours = torch.corrcoef(torch.stack((dropped[..., :-1].flatten(), dropped[..., 1:].flatten())))[0, 1]
    assert abs(float(neighbours)) < 0.01


def test_dropout_follows_torchs_state_and_its_gradient_the_values():
    dropout, x = Dropout(0.4).train(), torch.randn(7, 33, requires_grad=True)
    torch.manual_seed(3)
    state = torch.get_rng_state()
    first, second = dropout(x), dropout(x)
    assert not torch.equal(first, second)
    torch.set_rng_state(state)
    assert torch.equal(first, dropout(x))
    (gradient,) = torch.autograd.grad(first.sum(), x)
    assert torch.equal(gradient != 0, first != 0) and torch.allclose(gradient[gradient != 0], torch.tensor(1 / 0.6))
    assert torch.equal(dropout.eval()(x), x) and torch.equal(Dropout(0.0).train()(x), x)
    assert not Dropout(1.0).train()(x).any()


def test_loss_is_cross_entropy_over_the_real_targets():
    model, batch = make_model(), make_batch()
    batch["labels"][0, 3:] = -100
    output = model(**batch)
    expected = F.cross_entropy(output.logits.flatten(0, 1), batch["labels"].flatten())
    assert torch.allclose(output.loss, expected)
    # Under gradient accumulation the Trainer says how many targets the whole batch has.
    halves = sum(
        model(**{name: part[rows] for name, part in batch.items()}, num_items_in_batch=15).loss
        for rows in (slice(0, 1), slice(1, 3))
    )
    assert torch.allclose(halves, expected)


def test_the_librarys_label_smoother_sees_the_same_logits():
    model, batch = make_model(), make_batch()
    labels = batch.pop("labels")
    shifted = model.prepare_decoder_input_ids_from_labels(labels)
    output = model(**batch, decoder_input_ids=shifted)
    expected = F.cross_entropy(output.logits.flatten(0, 1), labels.flatten(), label_smoothing=0.1)
    assert torch.allclose(LabelSmoother(0.1)(output, labels), expected)


def test_one_embedding_reads_and_writes_both_languages(tmp_path):
    model = make_model()
    weights = {model.model.encoder.embed_tokens.weight, model.model.decoder.embed_tokens.weight, model.lm_head.weight}
    assert len(weights) == 1
    model.save_pretrained(tmp_path)
    loaded = AingForConditionalGeneration.from_pretrained(tmp_path)
    assert loaded.lm_head.weight is loaded.model.encoder.embed_tokens.weight is loaded.model.decoder.embed_tokens.weight


def test_inputs_and_logits_start_with_unit_variance():
    model = make_model(vocab_size=2000, d_model=256, num_layers=6, d_ff=1024)
    ids = torch.randint(4, 2000, (8, 16))
    states = model.model.encoder(ids, output_hidden_states=True).hidden_states
    assert 0.8 < states[0].std() < 1.2
    assert states[-2].std() < 2, "depth must not blow the residual stream up"
    assert 0.8 < model(input_ids=ids, labels=ids).logits.std() < 1.2


def test_saved_and_loaded_gives_the_same_logits(tmp_path):
    model, batch = make_model(), make_batch()
    model.save_pretrained(tmp_path)
    assert torch.equal(AutoModelForSeq2SeqLM.from_pretrained(tmp_path)(**batch).logits, model(**batch).logits)
    assert isinstance(AutoConfig.from_pretrained(tmp_path), AingConfig)
    assert isinstance(AutoModel.from_pretrained(tmp_path), AingModel)


def test_the_encoder_stands_alone():
    torch.manual_seed(0)
    encoder = AingEncoder(AingConfig(vocab_size=VOCAB, d_model=32, nhead=4, d_ff=48)).eval()
    assert encoder(make_batch()["input_ids"]).last_hidden_state.shape == (3, 7, 32)


def test_unknown_structure_is_refused():
    for changes in ({"d_model": 30}, {"d_model": 12}):
        with pytest.raises(Exception, match="d_model"):
            AingConfig(nhead=4, **changes)


def test_checkpoint_loads_where_the_project_is_not_installed(tmp_path):
    model, batch = make_model(), make_batch()
    model.save_pretrained(tmp_path / "model")
    torch.save({"batch": batch, "logits": model(**batch).logits}, tmp_path / "expected.pt")
    program = """
import sys, torch
from transformers import AutoModelForSeq2SeqLM
model = AutoModelForSeq2SeqLM.from_pretrained("model", trust_remote_code=True).eval()
expected = torch.load("expected.pt")
assert torch.equal(model(**expected["batch"]).logits, expected["logits"])
assert "modeling" not in sys.modules, "the clean process must not see this project"
"""
    settings = {**os.environ, "HF_HOME": str(tmp_path / "hf"), "HF_HUB_OFFLINE": "1", "PYTHONPATH": ""}
    done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, env=settings, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
