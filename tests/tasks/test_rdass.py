"""RDASS: similarities of mean-pooled embeddings, by any encoder in a folder or on the Hub."""

import json

import pytest
import torch
from tiny_checkpoints import bart
from transformers import AutoModel, AutoTokenizer, BertConfig, BertModel, BertTokenizer

from league.errors import UserError
from league.tasks.rdass import Embedder, rdass
from tools import rdass as tool

TEXTS = ["Anna will bring the cake.", "Ben goes fishing.", "Mia is free on Monday, and so is Carla."]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A tiny BERT with random weights."""
    folder = tmp_path_factory.mktemp("bert")
    words = sorted({word.strip(".,").lower() for text in TEXTS for word in text.split()})
    names = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", ".", ",", *words]
    tokenizer = BertTokenizer(vocab={name: i for i, name in enumerate(names)})
    torch.manual_seed(1)
    size = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}
    BertModel(BertConfig(vocab_size=len(tokenizer), max_position_embeddings=64, **size)).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return str(folder)


def by_hand(folder: str, text: str) -> torch.Tensor:
    inputs = AutoTokenizer.from_pretrained(folder)(text, return_tensors="pt")
    with torch.inference_mode():
        mean = AutoModel.from_pretrained(folder).eval()(**inputs).last_hidden_state[0].mean(0)
    return mean / mean.norm()


def test_a_text_is_the_mean_of_its_hidden_states_whatever_stands_beside_it(folder):
    vectors = Embedder(folder).embed(TEXTS)
    for text, vector in zip(TEXTS, vectors, strict=True):
        assert vector.tolist() == pytest.approx(by_hand(folder, text).tolist(), abs=1e-5)


def test_it_is_the_mean_of_both_similarities(folder):
    embedder = Embedder(folder)
    one, other, third = (by_hand(folder, text) for text in TEXTS)
    found = rdass(embedder, TEXTS[:1], TEXTS[1:2], TEXTS[2:])
    assert found["to_reference"] == pytest.approx(100 * float(one @ other), abs=1e-3)
    assert found["to_document"] == pytest.approx(100 * float(one @ third), abs=1e-3)
    assert found["rdass"] == pytest.approx((found["to_reference"] + found["to_document"]) / 2)
    assert rdass(embedder, TEXTS, TEXTS, TEXTS)["rdass"] == pytest.approx(100)


def test_the_nearest_of_several_references_counts_and_nothing_said_is_near_to_nothing(folder):
    embedder = Embedder(folder)
    found = rdass(embedder, [TEXTS[0], " "], [json.dumps([TEXTS[1], TEXTS[0]]), TEXTS[0]], [TEXTS[0], TEXTS[0]])
    assert found["to_reference"] == found["to_document"] == pytest.approx(50)


def test_a_long_text_is_cut_and_an_encoder_decoder_gives_its_encoder(folder, tmp_path):
    assert Embedder(folder).embed(["Ben goes fishing. " * 1000]).shape == (1, 16)
    bart(tmp_path / "bart")
    vectors = Embedder(str(tmp_path / "bart")).embed([*TEXTS, "Ben goes fishing. " * 1000, ""])
    assert vectors.shape == (5, 16) and (vectors**2).sum(1) == pytest.approx(1, abs=1e-4)


def test_without_a_model_it_says_so_in_a_line(tmp_path, monkeypatch):
    with pytest.raises(UserError, match="no RDASS without a model that embeds texts: --embedding_model"):
        tool.main(["runs/one"])
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(UserError, match="is no model that embeds texts") as error:
        Embedder(str(tmp_path))
    assert "\n" not in str(error.value)
