"""What a model looks at, and the part of a report in which one points at tokens."""

import base64
import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from browser import browsing, needs_browser
from play import TINY
from reports import HOSTILE, hostile_attention

from league.report.attention import MOST_BYTES, data
from league.report.facts import MOST_TOKENS, Facts, gather
from league.report.page import entry_page
from league.tasks.attention import attend, pieces
from league.tasks.task import task_of


@pytest.fixture(scope="session")
def loaded(played):
    """The tiny model and its tokenizer."""
    model, tokenizer = task_of(TINY).load_checkpoint(played / "runs" / "one" / "finetune")
    task_of(TINY).prepare(model)
    return model, tokenizer


@pytest.fixture(scope="session")
def facts(played) -> Facts:
    return gather(played / "runs" / "one", has_attention=False)


@pytest.mark.parametrize("target", [None, "A dog runs ."])
def test_attention_is_a_share_of_what_may_be_seen(loaded, target):
    found = attend(*loaded, "Ein Hund läuft durch den Schnee.", target)
    layers, heads, s, t = 1, 2, len(found.source), len(found.target)
    assert found.encoder.shape == (layers, heads, s, s)
    assert found.decoder.shape == (layers, heads, t, t)
    assert found.cross.shape == (layers, heads, t, s)
    assert len(found.written) == t and found.written[0] == "<bos>" and found.written[1:] == found.target[:-1]
    for weights in (found.encoder, found.decoder, found.cross):
        np.testing.assert_allclose(weights.sum(-1), 1, atol=1e-5)
    assert not np.triu(found.decoder, 1).any()
    assert found.source[-1] == "<eos>" and (target is None or found.target[-1] == "<eos>")


def test_what_was_written_before_does_not_see_what_comes_after(loaded):
    short, long = (attend(*loaded, "Ein Hund läuft", text) for text in ("A dog", "A dog runs"))
    same = len(short.target) - 1  # but for <eos>
    np.testing.assert_allclose(short.cross[:, :, :same], long.cross[:, :, :same], atol=1e-6)
    np.testing.assert_allclose(short.encoder, long.encoder, atol=1e-6)
    assert not np.allclose(attend(*loaded, "Ein Hund lacht", "A dog").cross[..., 0], short.cross[..., 0])


def test_a_source_is_shown_as_long_as_the_model_reads_it(loaded, monkeypatch):
    model, _ = loaded
    monkeypatch.setattr(model.generation_config, "max_length", 5)  # of what is written, a summary say
    assert len(attend(*loaded, "Ein Hund läuft durch den Schnee.", "A dog").source) > 5


def test_attention_leaves_the_model_as_it_was(loaded):
    model, tokenizer = loaded
    model.set_attn_implementation("sdpa")
    model.train()
    try:
        attend(model, tokenizer, "Ein Hund")
        assert model.config._attn_implementation == "sdpa" and model.training
        with pytest.raises(TypeError):
            attend(model, tokenizer, None)
        with pytest.raises(AttributeError):
            attend(model, None, "Ein Hund")
        assert model.config._attn_implementation == "sdpa" and model.training
    finally:
        model.eval()
        model.set_attn_implementation("eager")


def test_attention_of_a_batch_of_one_is_that_of_the_layers(loaded):
    model, tokenizer = loaded
    found = attend(model, tokenizer, "Ein Hund", "A dog")
    with torch.inference_mode():
        ids = torch.tensor([tokenizer("Ein Hund").input_ids])
        labels = torch.tensor([tokenizer("A dog").input_ids])
        output = model(input_ids=ids, labels=labels, output_attentions=True)
    np.testing.assert_allclose(found.cross[0], output.cross_attentions[0][0].numpy(), atol=1e-6)


@pytest.mark.parametrize("text", ["", " ", "x" * 4000, HOSTILE, "a\u202e\x07\n\u2029b", "\ufffd <eos> ·"])
def test_tokens_can_be_read_whatever_the_text(loaded, text):
    found = attend(*loaded, text, text)
    for side in (found.source, found.target, found.written):
        assert 1 <= len(side) <= TINY.max_length
        assert all(token and token.isprintable() for token in side)


@pytest.mark.parametrize("text", ["Größe zählt", "x 👩‍👧 y", "Ein Hund läuft ."])
def test_tokens_are_the_text(loaded, text):
    _, tokenizer = loaded
    told = pieces(tokenizer, tokenizer(text).input_ids)[:-1]
    words = "".join(token[1:] if token.startswith("·") else " " + token.strip("␣") for token in told)
    assert words.strip() == "".join(letter if letter.isprintable() else "\\u200d" for letter in text)


def test_weights_of_a_large_model_leave_the_page_small():
    huge, large, small = (hostile_attention(*size) for size in ((MOST_TOKENS, 64, 2), (20, 6, 8), (6, 1, 2)))
    text = json.dumps(data([("huge", huge), ("large", large), ("small", small), ("large", large), ("huge", huge)]))
    assert len(text) < 1.4 * MOST_BYTES
    told = json.loads(text)["sentences"]
    # Of a huge one means are shown: over its heads, or over its layers, too, as there is room.
    shown = [(one["title"][0], one["layers"]["cross"], one["heads"], *one["means_of"]["cross"]) for one in told]
    assert shown == [
        ("huge", 1, 1, 64, 2), ("large", 6, 8, 6, 8), ("small", 1, 2, 1, 2), ("large", 6, 8, 6, 8),
        ("huge", 64, 1, 64, 2),
    ]  # fmt: skip


def test_an_encoder_may_be_deeper_than_the_decoder():
    found = replace(hostile_attention(6, 2, 2), encoder=hostile_attention(6, 3, 2).encoder)
    (told,) = data([("it", found)])["sentences"]
    assert told["layers"] == {"cross": 2, "encoder": 3, "decoder": 2}
    for kind, layers in told["layers"].items():
        assert len(base64.b64decode(told[kind])) == layers * 2 * 6 * 6


# In a browser

LOOKS = "[...document.querySelectorAll('[data-part=columns] small')].map((one) => Number(one.textContent))"
PRESSED = "[...document.querySelectorAll('[data-part=rows] button')].findIndex((one) => one.ariaPressed === 'true')"


def shown_weights(attention: np.ndarray) -> list[float]:
    return (100 * attention).tolist()


@needs_browser
def test_one_points_at_tokens_by_mouse_and_keyboard(facts, loaded, tmp_path):
    found = attend(*loaded, "Ein Hund läuft durch den Schnee.", "A dog runs through the snow .")
    other = attend(*loaded, "Zwei Männer", "Two men")
    facts = replace(facts, attention=[("a dog", found), ("two men", other)])
    (tmp_path / "report.html").write_text(entry_page(facts), encoding="utf-8")
    with browsing() as page:
        page.goto((tmp_path / "report.html").as_uri())
        tokens = page.locator("[data-part=rows] button")
        assert tokens.all_text_contents() == found.target
        assert page.evaluate(LOOKS) == pytest.approx(shown_weights(found.cross.mean((0, 1))[0]), abs=0.8)
        tokens.nth(3).hover()
        assert page.evaluate(LOOKS) == pytest.approx(shown_weights(found.cross.mean((0, 1))[3]), abs=0.8)
        page.select_option("select[name=head]", label="2")
        assert page.evaluate(LOOKS) == pytest.approx(shown_weights(found.cross[0, 1, 3]), abs=0.8)
        page.select_option("select[name=kind]", "decoder")
        page.locator("[data-part=map] [data-row='5'] rect").nth(1).hover()
        assert page.evaluate(PRESSED) == 5
        assert page.evaluate(LOOKS) == pytest.approx(shown_weights(found.decoder[0, 1, 5]), abs=0.8)
        page.locator("select[name=head]").focus()
        page.keyboard.press("Tab")
        assert page.evaluate(PRESSED) == 5
        page.keyboard.press("ArrowLeft")
        page.keyboard.press("ArrowLeft")
        assert page.evaluate(PRESSED) == 3
        page.keyboard.press("End")
        assert page.evaluate(PRESSED) == len(found.target) - 1
        assert page.evaluate("document.activeElement.textContent") == found.target[-1]
        page.select_option("select[name=sentence]", label="two men")
        page.select_option("select[name=kind]", "encoder")
        assert tokens.all_text_contents() == other.source
        assert page.evaluate(LOOKS) == pytest.approx(shown_weights(other.encoder[0, 1, 0]), abs=0.8)
        assert other.source[0] in page.locator("[data-part=says]").text_content()
        assert page.said == []
