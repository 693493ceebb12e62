"""The report of an entry: its pictures and numbers are right, and whoever wrote the record, the page stays a page."""

import json
import shutil
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
import sacrebleu
import torch
from browser import browsing, needs_browser
from play import TINY

from league.cli import ending as report
from league.data.corpora import load_split
from league.errors import UserError
from league.files import digest_of
from league.record.shape import BrokenRule, as_record, read_record
from league.record.wording import in_words
from league.report import write as entry_report
from league.report.attention import MOST_BYTES, data
from league.report.facts import MOST_TOKENS, Facts, gather, thinned
from league.report.page import entry_page
from league.report.pictures import PICTURES, purposes
from league.report.sentences import Sentences, difference
from league.report.write import write_entry_report
from league.run.conduct import Conduct
from league.tasks.attention import Attention, attend, pieces
from league.tasks.task import task_of
from league.values import Options
from tools import report as tool

HOSTILE = "</script><img src=x onerror=alert(1)><b>'\"&amp;\u202edne\u2028שלום 👩‍👧 $x$"


@pytest.fixture(scope="session")
def loaded(played):
    """The tiny model and its tokenizer."""
    model, tokenizer = task_of(TINY).load_checkpoint(played / "runs" / "one" / "finetune")
    task_of(TINY).prepare(model)
    return model, tokenizer


@pytest.fixture
def entry(played, tmp_path) -> Path:
    """A copy of an entry, without a report."""
    folder = tmp_path / "one"
    shutil.copytree(played / "runs" / "one", folder, ignore=shutil.ignore_patterns("report.html", "plots"))
    return folder


@pytest.fixture(scope="session")
def facts(played) -> Facts:
    return gather(played / "runs" / "one", None, None, None, has_attention=False)


class change:
    """Change a record in its file, within its schema."""

    def __init__(self, folder: Path):
        self.path = folder / "record.json"

    def __enter__(self) -> dict:
        self.record = json.loads(self.path.read_text())
        return self.record

    def __exit__(self, *exception):
        assert as_record(self.record)
        self.path.write_text(json.dumps(self.record))


class Page(HTMLParser):
    """What a browser would find in a page."""

    VOID = {"meta", "br", "img", "path", "use", "rect"}

    def __init__(self, text: str):
        super().__init__()
        self.open, self.ids, self.tags, self.text, self.labels = [], [], [], "", []
        self.feed(text)
        self.close()
        assert not self.open

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        self.tags.append(tag)
        self.ids += [attributes["id"]] if "id" in attributes else []
        self.labels += [attributes.get("aria-label")] if tag == "svg" else []
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.handle_starttag(tag, attributes)
        if tag not in self.VOID:
            self.open.pop()

    def handle_endtag(self, tag):
        if tag not in self.VOID:
            assert self.open.pop() == tag

    def handle_data(self, data):
        if not self.open or self.open[-1] not in ("style", "script"):
            self.text += data


def drawn(folder: Path, **settings) -> Page:
    """Return the page of an entry, without attention and plots unless they are asked for."""
    path = write_entry_report(folder, **({"has_attention": False, "has_plots": False} | settings))
    return Page(path.read_text(encoding="utf-8"))


# What a model looks at


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


# Sentences

REFERENCES = ["A dog runs through the snow.", "Two men sit.", "A girl is reading a red book in the park.", "Yes."] * 8
HYPOTHESES = ["A dog runs through snow.", "Two men sit.", "A boy reads.", "No."] * 8
SENTENCES = Sentences([f"{'Wort ' * (place % 9)}Ende" for place in range(32)], REFERENCES, HYPOTHESES)


def test_sentences_score_as_sacrebleu_says():
    expected = [
        sacrebleu.sentence_bleu(one, [other], use_effective_order=True).score
        for one, other in zip(HYPOTHESES, REFERENCES, strict=True)
    ]
    assert SENTENCES.scores.tolist() == pytest.approx(expected)
    assert SENTENCES.bleu == pytest.approx(sacrebleu.corpus_bleu(HYPOTHESES, [REFERENCES]).score)


def test_the_best_come_first_and_the_longer_of_equals():
    ranked = SENTENCES.ranked()
    assert HYPOTHESES[ranked[0]] == "Two men sit." and sorted(ranked) == list(range(32))
    assert np.all(np.diff(SENTENCES.scores[ranked]) <= 0)
    equal = Sentences(["x"] * 3, ["Yes .", "Two men are sitting there .", "No one ."], ["", "", ""])
    assert equal.ranked() == [1, 2, 0]


def test_buckets_hold_every_sentence_once_and_their_own_bleu():
    buckets = SENTENCES.by_length()
    assert 2 <= len(buckets) <= 6
    assert sum(bucket.num_sentences for bucket in buckets) == 32
    for before, after in zip(buckets, buckets[1:], strict=False):
        assert before.longest < after.shortest
    for bucket in buckets:
        inside = [i for i in range(32) if bucket.shortest <= i % 9 + 1 <= bucket.longest]
        told = sacrebleu.corpus_bleu([HYPOTHESES[i] for i in inside], [[REFERENCES[i] for i in inside]])
        assert bucket.num_sentences == len(inside)
        assert bucket.bleu == pytest.approx(told.score)
        assert bucket.interval[0] <= bucket.bleu <= bucket.interval[1]


@pytest.mark.parametrize("num", [1, 3])
def test_few_or_empty_sentences_are_one_bucket(num):
    (bucket,) = Sentences([""] * num, ["A dog."] * num, [""] * num).by_length()
    assert (bucket.num_sentences, bucket.span, bucket.bleu) == (num, "0", 0.0)


def test_the_difference_marks_what_the_other_side_lacks():
    hypothesis, reference = difference("A dog runs in snow", "A big dog runs through snow")
    assert [word for word, is_lacking in hypothesis if is_lacking] == ["in"]
    assert [word for word, is_lacking in reference if is_lacking] == ["big", "through"]
    assert difference("same words", "same words")[0] == [("same", False), ("words", False)]
    assert difference("", "") == ([], [])


def test_a_difference_of_endless_lines_is_quick():
    hypothesis, reference = difference("a b " * 50_000, "b a " * 50_000)
    assert max(len(hypothesis), len(reference)) <= 80


# The verdict in words


@pytest.mark.parametrize(
    "rule, expected, found, words",
    [
        ("data.talks.train.used", 50_000, 20_000, "20,000 rows of talks.train were used; the league asks for 50,000."),
        ("data.talks.train.sha256", "a" * 64, "b" * 64, "talks.train holds other rows than the league's."),
        ("clock.minutes", 120.0, 130.25, "The clock stands at 130.25 minutes; no more than 120 can be."),
        ("fixed.batch_size", 64, 32, "The fixed value batch_size is 32; the rule book says 64."),
        ("finetune.steps", 500, 12, "The finetune stage ended after 12 of 500 steps."),
        ("finetune.dropout", 0.1, None, "finetune.dropout: expected 0.1, found nothing."),
        ("league", "a published rule book", "x 1", "There is no published rule book for x 1."),
    ],
)
def test_a_broken_rule_is_a_sentence(rule, expected, found, words):
    assert in_words(BrokenRule(rule, expected, found)) == words


def test_a_broken_rule_is_short_whatever_it_holds():
    for value in (HOSTILE * 1000, [1] * 9999, {"a": {"b": "c" * 9999}}, 10**300, -1e300, True, "", 2**53):
        for rule in ("fixed.x" * 40, "data.", "data", "x.steps", "data.a.b.origin", "clock.minutes", ""):
            assert len(in_words(BrokenRule(rule, value, value))) < 700


# The page


def test_scoring_leaves_the_report(played):
    folder = played / "runs" / "one"
    text = (folder / "report.html").read_text(encoding="utf-8")
    page, record = Page(text), read_record(folder / "record.json")
    told = (played / "stdout.txt").read_text().splitlines()
    assert "report: runs/one/report.html" in told and told[-1].startswith("FINAL_TEST_BLEU = ")
    assert len(text.encode()) < 1_000_000
    assert len(page.ids) == len(set(page.ids))
    assert all(page.labels) and len(page.labels) == 4
    assert "http" not in text.replace("http://www.w3.org/2000/svg", "")
    assert f"{record.score.value:.2f}" in page.text
    for name, value in record.asked.items():
        assert name in ("league", "seed") or (name in page.text and f"{value}" in page.text)
    assert {f"{name}.png" for name in PICTURES} == {path.name for path in (folder / "plots").iterdir()}
    for path in (folder / "plots").iterdir():
        assert path.read_bytes().startswith(b"\x89PNG\r\n\x1a\n")
    assert record.clock.spent.keys() == {"pretrain", "finetune", "score"}


def test_a_report_is_replaced_whole_and_nothing_else_changes(entry):
    before = {path.name: digest_of(path) for path in entry.iterdir() if path.is_file()}
    (entry / "plots").mkdir()
    (entry / "plots" / "old.png").write_text("old")
    (entry / "report.html").write_text("old")
    write_entry_report(entry, has_attention=False)
    assert {path.name for path in (entry / "plots").iterdir()} == {f"{n}.png" for n in PICTURES if n != "attention"}
    assert "old" != (entry / "report.html").read_text()
    after = {path.name: digest_of(path) for path in entry.iterdir() if path.is_file() and path.name != "report.html"}
    assert after == before
    assert not list(entry.glob(".*"))


def test_a_report_can_go_elsewhere(entry, tmp_path):
    assert write_entry_report(entry, tmp_path / "a" / "b", has_attention=False, has_plots=False).is_file()
    assert not (entry / "report.html").exists()


def test_plots_that_lead_elsewhere_are_not_followed(entry, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "dear.txt").write_text("dear")
    (entry / "plots").symlink_to(tmp_path / "mine")
    with pytest.raises(UserError, match="cannot write to"):
        write_entry_report(entry, has_attention=False)
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["dear.txt"]


def test_the_translations_are_shown_with_their_references(entry):
    page, test = drawn(entry), load_split(TINY, TINY.pretrain.corpus, "test", None)
    assert list(test.sources)[0] in page.text
    assert list(test.targets)[0].split()[0] in page.text


STATES = {
    "stage A only": (("finetune",), "Only stage A is complete", ["train_finetune.py"]),
    "not scored": ((), "There is no score yet", ["evaluate_bleu.py"]),
    "nothing": (("pretrain", "finetune"), "No stage is complete yet", ["not trained yet"]),
}


@pytest.mark.parametrize("name", STATES)
def test_an_entry_under_way_has_a_page_without_test_sentences(entry, name):
    dropped, says, words = STATES[name]
    with change(entry) as record:
        del record["score"]
        for stage in dropped:
            del record["stages"][stage]
    page, test = drawn(entry, has_attention=True, test=load_split(TINY, TINY.pretrain.corpus, "test", None)), None
    test = load_split(TINY, TINY.pretrain.corpus, "test", None)
    assert says in page.text and all(word in page.text for word in words)
    assert not any(text in page.text for side in (test.sources, test.targets) for text in side)
    assert "Test sentences are shown once" in page.text
    assert ("Ein Hund" in (entry / "report.html").read_text()) == (name != "nothing")


def test_what_happened_to_an_entry_is_told(entry):
    with change(entry) as record:
        record["stages"]["pretrain"].update(out_of_time=True, reused=True)
        del record["score"], record["stages"]["finetune"]
        record["diverged"] = {"stage": "finetune", "step": 7, "loss": 1e14}
    page = drawn(entry)
    for words in (
        "The clock cut pretrain off",
        "taken over from another entry",
        "diverged: at step 7 its loss was 1.00e+14",
    ):
        assert words in page.text


MISSING = {
    "other translations": "not the file that was scored",
    "no translations": "is missing",
    "other test set": "another test set",
    "unknown league": "not known here",
    "endless line": "letters",
    "no data": "not at hand",
}


@pytest.mark.parametrize("name", MISSING)
def test_what_is_missing_is_told_and_the_rest_shown(entry, tmp_path, name):
    path, settings = entry / "translations.txt", {}
    with change(entry) as record:
        if name == "other test set":
            record["data"]["captions.test"]["sha256"] = "0" * 64
        elif name == "unknown league":
            record["league"]["name"] = "mars"
        elif name == "endless line":
            path.write_text("x" * 10_000 + "\n" * 25)
            record["score"]["sha256"]["translations.txt"] = digest_of(path)
        elif name == "other translations":
            path.write_text("better\n" * 25)
        elif name == "no translations":
            path.unlink()
        elif name == "no data":
            settings["data_dir"] = str(tmp_path)
    page = drawn(entry, has_attention=True, **settings)
    assert MISSING[name] in page.text
    assert "better" not in page.text
    assert "The ten values" in page.text and "Learning curves" in page.text
    if name == "unknown league":
        assert "attention-data" not in page.ids and "There is no published rule book for mars 1." in page.text


def test_a_score_that_the_translations_do_not_bear_out_is_told(entry):
    with change(entry) as record:
        record["score"]["value"] = 77.77
    assert "the record says 77.77" in drawn(entry).text


def test_a_verdict_is_judged_anew(entry):
    with change(entry) as record:
        record["asked"]["dropout"] = 0.3
    page = drawn(entry)
    assert "open" in page.text and "pretrain.dropout: expected 0.3, found 0.1." in page.text


# Whoever wrote it


def forge(record: dict) -> None:
    """Fill a record with what a stranger may write within the schema."""
    plain = HOSTILE.replace("\u2028", "")
    record["asked"].update(lr_scheduler_type=(plain * 9)[:300], learning_rate=-1e14, d_model=2**53 - 1)
    record["broken_rules"] = [{"rule": plain, "expected": plain * 999, "found": [[plain]]}]
    record["league"]["fixed"] |= {plain[:0] + "x": plain}
    record["clock"] |= {"minutes": -1e14, "limit": -3.0}
    record["clock"]["spent"] = {f"p{number}. -": number * 1e11 * (-1) ** number for number in range(3000)}
    record["trials"] = record["test_openings"] = 2**53 - 1
    first, second = record["stages"]["pretrain"], record["stages"]["finetune"]
    first.update(device=(plain * 9)[:300], precision=plain, steps=0, tokens=0, loss=None, minutes=-5)
    first["curve"] = [
        {"step": (place * 7919) % 10_000, "loss": 1e14 if place % 3 else -3.5, "learning_rate": -1e14}
        for place in range(10_000)
    ]
    first["effective"] = {"num_parameters": plain, "x": [None, True, {"y": plain}]}
    second.update(device=plain, precision=plain, curve=[], effective={"num_parameters": 10**300})
    second["validation"] = {"captions": -1e14, "talks": 1e14, "mars": 3}
    record["score"] |= {"value": -1e14, "interval": [1e14, -1e14], "signature": plain}
    record["score"]["extras"]["chrf"] = 1e-300


def hostile_attention(tokens: int = 6, layers: int = 1, heads: int = 2) -> Attention:
    random = np.random.default_rng(1)

    def weights() -> np.ndarray:
        return random.dirichlet(np.ones(tokens), (layers, heads, tokens)).astype(np.float32)

    side = ["</script>", "<img src=x onerror=alert(2)>", "\u2028", "<!--", "·שלום", "<eos>"] * (tokens // 6 + 1)
    return Attention(side[:tokens], side[:tokens], side[:tokens], weights(), weights(), weights())


def hostile_page(entry: Path) -> Path:
    """Write the page of a stranger's entry, with a stranger's translations and tokens."""
    with change(entry) as record:
        forge(record)
    facts = gather(entry, None, None, None, has_attention=False)
    facts.sentences = Sentences(*([HOSTILE, "x" * 9000, "", HOSTILE * 99] * 9 for _ in range(3)))
    facts.attention = [(HOSTILE, hostile_attention())]
    path = entry / "report.html"
    path.write_text(entry_page(facts), encoding="utf-8")
    return path


@pytest.mark.filterwarnings("ignore:Glyph")
def test_a_strangers_record_stays_text(entry):
    text = hostile_page(entry).read_text(encoding="utf-8")
    page = Page(text)
    assert "<img" not in text and "<b>'" not in text
    assert page.tags.count("script") == 2
    assert len(text.encode()) < 1_000_000
    assert HOSTILE in page.text


def test_a_strangers_record_has_its_pictures(entry):
    with change(entry) as record:
        forge(record)
    write_entry_report(entry, has_attention=False)
    assert len(list((entry / "plots").iterdir())) == len(PICTURES) - 1


def odd(name: str, record: dict) -> None:
    curve = {"step": 0, "loss": 0.0, "learning_rate": 0.0}
    stage = record["stages"]["pretrain"]
    if name == "one point":
        stage["curve"] = [curve]
    elif name == "the same step":
        stage["curve"] = [curve] * 50
    elif name == "no domains":
        stage["validation"] = record["stages"]["finetune"]["validation"] = {}
    elif name == "no clock":
        record["clock"] |= {"spent": {}, "limit": 0, "minutes": 0}
    elif name == "large steps":
        stage["curve"] = [curve | {"step": 2**53 - 1, "loss": 999999999999999}]
    elif name == "nothing asked":
        record["asked"] = {"league": "tiny"}
    elif name == "only a fine-tune":
        del record["stages"]["pretrain"]


@pytest.mark.parametrize(
    "name",
    ["one point", "the same step", "no domains", "no clock", "large steps", "nothing asked", "only a fine-tune"],
)
def test_odd_values_can_be_drawn(entry, name):
    with change(entry) as record:
        odd(name, record)
    assert "The ten values" in drawn(entry).text


def test_a_curve_is_the_same_in_whatever_order_a_point_names_its_values(entry):
    before = drawn(entry).text
    with change(entry) as record:
        for stage in record["stages"].values():
            stage["curve"] = [dict(sorted(point.items())) for point in stage["curve"]]
    assert drawn(entry).text == before


@pytest.mark.parametrize("factor", [float("nan"), float("inf"), 1e30, 0.0])
def test_weights_that_cannot_be_have_a_report(entry, factor):
    from safetensors.torch import load_file, save_file

    path = entry / "finetune" / "model.safetensors"
    save_file({name: part * factor for name, part in load_file(path).items()}, path)
    assert "The ten values" in Page(write_entry_report(entry).read_text(encoding="utf-8")).text


def test_a_damaged_record_is_a_user_error(entry, tmp_path):
    (entry / "record.json").write_text("{")
    with pytest.raises(UserError, match="damaged"):
        write_entry_report(entry)
    with pytest.raises(UserError, match="not the folder of an entry"):
        write_entry_report(tmp_path)


def test_purposes_are_few_and_add_up(facts):
    spent = {f"p{number}": 1.0 for number in range(500)} | {"score": 2.0, "pretrain": 3.0, "below": -7.0}
    parts = purposes(replace(facts, spent=spent))
    assert len(parts) <= 6 and parts[0] == ("pretrain", 3.0)
    assert sum(minutes for _, minutes in parts) == 505.0


def test_thinning_keeps_both_ends():
    assert thinned(range(10_000), 50)[0] == 0 and thinned(range(10_000), 50)[-1] == 9999
    assert len(thinned(range(10_000), 50)) == 50 and thinned([1, 2], 50) == [1, 2]


def test_weights_of_a_large_model_leave_the_page_small():
    huge, large, small = (hostile_attention(*size) for size in ((MOST_TOKENS, 64, 2), (20, 6, 8), (6, 1, 2)))
    text = data([("huge", huge), ("large", large), ("small", small), ("large", large), ("huge", huge)])
    assert len(text) < 1.4 * MOST_BYTES
    told = json.loads(text)["sentences"]
    # Of a huge one means are shown: over its heads, or over its layers, too, as there is room.
    assert [(one["title"], one["layers"], one["heads"], *one["means_of"]) for one in told] == [
        ("huge", 1, 1, 64, 2), ("large", 6, 8, 6, 8), ("small", 1, 2, 1, 2), ("large", 6, 8, 6, 8),
        ("huge", 64, 1, 64, 2),
    ]  # fmt: skip


# The hook


class Stub:
    conduct, writes, folder, options = Conduct(), True, Path("runs/one"), Options(league="demo")

    def hold(self):
        return True


def test_a_report_that_fails_is_told_in_a_line(monkeypatch, capsys):
    monkeypatch.setattr(entry_report, "write_entry_report", lambda *_, **__: 1 / 0)
    report.draw_report(Stub())
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.startswith(
        "no report was drawn: ZeroDivisionError: division by zero; python -m tools.report runs/one"
    )
    assert len(told.err.splitlines()) == 1


def test_a_folder_that_may_not_be_written_shows_its_score_all_the_same(monkeypatch, capsys):
    def refuse(_):
        raise UserError("cannot write to runs/one: Read-only file system.")

    monkeypatch.setattr(Stub, "hold", refuse)
    report.draw_report(Stub())
    assert "no report was drawn: UserError: cannot write to runs/one" in capsys.readouterr().err


def test_a_trial_has_no_report(monkeypatch):
    monkeypatch.setattr(entry_report, "write_entry_report", lambda *_, **__: pytest.fail("drawn"))
    trial = Stub()
    trial.conduct = Conduct(is_quiet=True)
    report.draw_report(trial)


def test_the_tool_says_where_it_wrote(entry, capsys):
    tool.main([str(entry)])
    assert capsys.readouterr().out == f"report: {entry / 'report.html'}\n"
    with pytest.raises(UserError, match="--data_dir"):
        tool.main([str(entry), "--data_dir", str(entry / "nowhere")])


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


@needs_browser
@pytest.mark.filterwarnings("ignore:Glyph")
@pytest.mark.parametrize("width, dark", [(1280, False), (390, True)])
def test_nothing_that_a_stranger_wrote_runs(entry, width, dark):
    path = hostile_page(entry)
    with browsing(width, 800, dark) as page:
        page.goto(path.as_uri())
        for kind in ("cross", "encoder", "decoder"):
            page.select_option("select[name=kind]", kind)
            page.locator("[data-part=rows] button").nth(1).hover()
        assert page.locator("select[name=sentence] option").first.text_content() == HOSTILE
        assert page.locator("img").count() == 0
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert page.said == []
