"""The readers: a masked language model and a sentence classifier on the encoder alone."""

import sys

import pytest
import torch
from conftest import run
from huggingface_hub.errors import StrictDataclassClassValidationError
from torch.nn import functional as F
from transformers import AutoModel, AutoModelForMaskedLM, AutoModelForSequenceClassification

from modeling import (
    AingConfig,
    AingForConditionalGeneration,
    AingForMaskedLM,
    AingForSequenceClassification,
    AingReaderConfig,
    AingReaderModel,
)

VOCAB = 60
SHAPE = {"vocab_size": VOCAB, "d_model": 32, "nhead": 4, "num_layers": 2, "d_ff": 48, "dropout": 0.1}


def make(model_class, **changes):
    torch.manual_seed(0)
    return model_class(AingReaderConfig(**SHAPE | changes)).eval()


def sentences(*lengths: int) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    return [torch.randint(5, VOCAB, (length,), generator=generator) for length in lengths]


def padded(rows: list[torch.Tensor], more: int = 0) -> dict[str, torch.Tensor]:
    width = max(map(len, rows)) + more
    input_ids = torch.stack([F.pad(row, (0, width - len(row))) for row in rows])
    attention_mask = torch.stack([(torch.arange(width) < len(row)).long() for row in rows])
    return {"input_ids": input_ids, "attention_mask": attention_mask}


@pytest.mark.parametrize("attention", ["eager", "sdpa"])
@pytest.mark.parametrize("reads_words", [False, True])
@pytest.mark.parametrize("kernel_sizes", [[1], [2, 3, 4], [5]])
def test_a_label_depends_neither_on_the_batch_nor_on_padding(attention, kernel_sizes, reads_words):
    changes = {"num_labels": 3, "kernel_sizes": kernel_sizes, "filters_read_words": reads_words}
    model, rows = make(AingForSequenceClassification, **changes), sentences(1, 2, 9, 14)
    model.set_attn_implementation(attention)
    together = model(**padded(rows, more=5)).logits
    for row, logits in zip(rows, together, strict=True):
        assert torch.allclose(model(input_ids=row[None]).logits[0], logits, atol=1e-5)


@pytest.mark.parametrize("name", ["dropout", "classifier_dropout"])
def test_each_dropout_of_a_classifier_is_in_the_way(name):
    rates = {"dropout": 0.0, "classifier_dropout": 0.0} | {name: 0.5}
    model = make(AingForSequenceClassification, num_labels=3, **rates).train()
    batch = padded(sentences(8, 6))
    assert not torch.equal(model(**batch).logits, model(**batch).logits)


def test_padding_never_wins_a_filter():
    model = make(AingForSequenceClassification, num_labels=2)
    hidden = -torch.rand(1, 6, 32)
    for convolution in model.convolutions:
        convolution.weight.data.fill_(1.0)  # so that every word's answer is below that of nothing
        convolution.bias.data.fill_(-1.0)
    mask = torch.tensor([[1, 1, 0, 0, 0, 0]])
    short, long = model.answers(hidden[:, :2], None), model.answers(hidden, mask)
    for one, other in zip(short, long, strict=True):
        assert torch.allclose(one.amax(2), other.amax(2))
        assert (other.argmax(2) < 2).all()


def test_filters_see_words_beside_states_where_they_are_told_to():
    model, (row,) = make(AingForSequenceClassification, filters_read_words=True, kernel_sizes=[1]), sentences(8)
    (convolution,) = model.convolutions
    other = row.clone()
    other[3] = 5 + (row[3] == 5)
    for blind, is_local in ((slice(32), True), (slice(32, 64), False)):  # to what the encoder makes of it; to the words
        weight = convolution.weight.clone()
        convolution.weight.data[:, blind] = 0
        ((one,), (two,)) = (model.read(ids[None])[1] for ids in (row, other))
        differs = (one != two).any(dim=1)[0]
        assert differs.tolist() == [i == 3 if is_local else True for i in range(8)]
        convolution.weight.data.copy_(weight)


def test_each_token_reaches_every_other():
    model, (row,) = make(AingForMaskedLM), sentences(8)
    before = model(input_ids=row[None]).logits
    row[3] = 5 + (row[3] == 5)
    assert (before != model(input_ids=row[None]).logits).any(dim=2).all()


@pytest.mark.parametrize("model_class", [AingForMaskedLM, AingForSequenceClassification])
def test_no_decoder_is_built(model_class):
    model = make(model_class)
    assert not [name for name, _ in model.named_modules() if "decoder" in name or "cross" in name]


def test_the_embedding_names_what_is_masked():
    model = make(AingForMaskedLM)
    assert model.lm_head.weight is model.model.embed_tokens.weight and model.lm_head.bias is None
    weights = sum(weight.numel() for weight in AingReaderModel(model.config).parameters())
    assert model.num_parameters() == weights


@pytest.mark.parametrize("activation", ["relu", "gelu", "silu"])
def test_an_activation_is_a_value_of_the_configuration(activation):
    model = make(AingForMaskedLM, activation=activation)
    block, x = model.model.layers[0].feed_forward, torch.randn(3, 32)
    wanted = F.linear(getattr(F, activation)(block.up_proj(x)), block.down_proj.weight, block.down_proj.bias)
    assert torch.equal(block(x), wanted)


def test_an_unknown_activation_is_refused():
    with pytest.raises(StrictDataclassClassValidationError, match="activation .*tanh.* must be one of relu, gelu"):
        AingReaderConfig(activation="tanh")


def test_without_one_a_translator_is_what_it_always_was():
    torch.manual_seed(0)
    default = AingForConditionalGeneration(AingConfig(**SHAPE))
    torch.manual_seed(0)
    named = AingForConditionalGeneration(AingConfig(**SHAPE, activation="relu"))
    for one, other in zip(default.parameters(), named.parameters(), strict=True):
        assert torch.equal(one, other)
    assert default.model.encoder.layers[0].feed_forward.activation is F.relu


@pytest.mark.parametrize(
    ("auto", "model_class"),
    [(AutoModelForMaskedLM, AingForMaskedLM), (AutoModelForSequenceClassification, AingForSequenceClassification)],
)
def test_a_checkpoint_loads_where_this_project_is_not(tmp_path, auto, model_class):
    model, batch = make(model_class), padded(sentences(4, 7))
    model.save_pretrained(tmp_path)
    again = auto.from_pretrained(tmp_path)
    assert type(again) is model_class and torch.equal(again(**batch).logits, model(**batch).logits)
    assert torch.equal(AutoModel.from_pretrained(tmp_path)(**batch)[0], model.model(**batch)[0])
    program = (
        f"import torch; from transformers import {auto.__name__};"
        f"model = {auto.__name__}.from_pretrained({str(tmp_path)!r}, trust_remote_code=True);"
        "print(type(model).__name__, model(input_ids=torch.tensor([[5, 6, 7]])).logits.shape)"
    )
    assert model_class.__name__ in run([sys.executable, "-c", program], tmp_path).stdout


def test_an_encoder_of_a_masked_model_takes_a_classifier(tmp_path):
    masked = make(AingForMaskedLM)
    masked.save_pretrained(tmp_path)
    classifier = AingForSequenceClassification.from_pretrained(tmp_path)
    for name, weight in masked.model.state_dict().items():
        assert torch.equal(weight, classifier.model.state_dict()[name])
