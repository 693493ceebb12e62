"""The translator: the score's own hypotheses, a line for each line whatever it holds, the same from CTranslate2."""

import io
import json
import os
import pty
import shutil
import signal
import subprocess
import sys
import threading
import time

import pytest
import torch
from conftest import ROOT, run
from huggingface_hub import constants
from hypothesis import given, settings
from hypothesis import strategies as st
from play import TINY
from transformers import GenerationMixin

from league.data.corpora import load_split
from league.data.tokens import encode
from league.errors import UserError
from league.translate import engines
from league.translate import export as conversion
from league.translate.splitting import split_line
from league.translate.translator import Hypothesis, Translator, find_checkpoint, find_rules
from modeling import AingForConditionalGeneration
from tools import translate as tool
from tools.translate import TranslateOptions

LONG = "Ein Mann geht mit seinem Hund, der klein ist, durch den Park. " * 12


@pytest.fixture(scope="module")
def sources():
    return list(load_split(TINY, TINY.pretrain.corpus, "test", None).sources)


@pytest.fixture(scope="module")
def translator(played):
    return Translator(played / "runs" / "one")


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(constants, "HF_HOME", str(tmp_path_factory.mktemp("home")))
        yield patch


@pytest.fixture(scope="module")
def fast(played, cache):
    pytest.importorskip("ctranslate2")
    return Translator(played / "runs" / "one", "ctranslate2")


# What it finds


def test_it_finds_what_the_score_was_given_for(translator, played, sources):
    scored = (played / "runs" / "one" / "translations.txt").read_text(encoding="utf-8").split("\n")
    found = translator.translate(sources)
    whole = [i for i, (_, was_cut) in enumerate(encode(translator.tokenizer, sources, TINY.max_length)) if not was_cut]
    assert len(whole) > 15
    assert [found[i] for i in whole] == [scored[i] for i in whole]
    assert translator.translate(sources[whole[0]]) == scored[whole[0]]


def test_scores_are_the_librarys(translator, sources, monkeypatch):
    ours = translator.search(sources, num_beams=3, n_best=2)
    plain = AingForConditionalGeneration.generate
    monkeypatch.setattr(AingForConditionalGeneration, "_beam_search", GenerationMixin._beam_search)
    monkeypatch.setattr(
        AingForConditionalGeneration, "generate", lambda self, **given: plain(self, **given | {"output_scores": True})
    )
    theirs = translator.search(sources, num_beams=3, n_best=2)
    assert [[one.text for one in each] for each in ours] == [[one.text for one in each] for each in theirs]
    for mine, other in zip(ours, theirs, strict=True):
        assert [one.score for one in mine] == pytest.approx([one.score for one in other], rel=1e-4)
        assert mine[0].score >= mine[1].score


@torch.inference_mode()
def test_a_greedy_score_is_the_mean_log_probability(translator, sources):
    (found,) = translator.engine.search([[5, 6, 7, 2]], 1, 1, lambda count: None)
    (one,) = found
    inputs = torch.tensor([[1, *one.ids[:-1]]])
    logits = translator.model(input_ids=torch.tensor([[5, 6, 7, 2]]), decoder_input_ids=inputs).logits[0]
    steps = logits.log_softmax(-1).gather(1, torch.tensor(one.ids)[:, None])
    assert one.score == pytest.approx(steps.mean().item(), rel=1e-4)
    assert [logits[i].argmax().item() for i in range(len(one.ids))] == one.ids


def test_more_beams_take_smaller_batches(translator, monkeypatch):
    sizes = []
    search = engines.search
    monkeypatch.setattr(engines, "search", lambda _, rows, *rest: sizes.append(len(rows)) or search(_, rows, *rest))
    translator.search(["Ein Mann."] * 60, num_beams=8)
    assert sizes == [25, 25, 10]


# Any text


@given(texts=st.lists(st.text(max_size=60), max_size=6))
@settings(max_examples=25, deadline=None)
def test_each_text_gets_its_translations(translator, texts):
    found = translator.search(texts, num_beams=2, n_best=2)
    assert [len(each) for each in found] == [2] * len(texts)
    for text, each in zip(texts, found, strict=True):
        assert text.strip() or each == [Hypothesis("", 0.0)] * 2


def test_neighbours_change_nothing(translator, sources):
    strange = ["", "\u2028", "a\0b", "😀" * 30, "\ud800", " \u00a0 ", LONG]
    alone = [translator.translate(text) for text in strange]
    mixed = [text for pair in zip(strange, sources, strict=False) for text in pair]
    assert translator.translate(mixed)[::2] == alone
    assert alone[0] == alone[1] == alone[5] == ""


def test_a_line_that_is_too_long_is_translated_in_parts(translator):
    before = translator.num_divided
    (found,) = translator.search([LONG], n_best=2)
    sentence = translator.search([LONG[:61]], n_best=2)[0]
    assert translator.num_divided == before + 1
    assert [one.text for one in found] == [" ".join([one.text] * 12) for one in sentence]
    assert [one.score for one in found] == pytest.approx([one.score for one in sentence], rel=1e-4)


@given(
    text=st.text(alphabet=st.sampled_from("abÄ😀1 .,;!?\n\u2028”"), max_size=300),
    limit=st.integers(6, 40),
)
@settings(deadline=None)
def test_parts_fit_and_lose_nothing(text, limit):
    def count(texts):
        return [len(text.encode()) + 2 for text in texts]

    parts = split_line(text, limit, count)
    assert "".join("".join(parts).split()) == "".join(text.split())
    assert max(count(parts)) <= limit


def test_sentences_stand_alone_and_clauses_stay_together_as_far_as_they_fit():
    def count(texts):
        return [len(text.split()) for text in texts]

    assert split_line("Er kam am 3. Mai. Sie, z. B. sie, nicht! Oder?", 6, count) == [
        "Er kam am 3. Mai.",
        "Sie, z. B. sie, nicht!",
        "Oder?",
    ]
    assert split_line("eins, zwei, drei, vier fünf sechs sieben acht", 3, count) == [
        "eins, zwei, drei,",
        "vier fünf sechs",
        "sieben acht",
    ]


def test_a_stream_is_read_in_windows(translator, monkeypatch):
    monkeypatch.setattr("league.translate.translator.WINDOW", 2)
    read = []

    def lines():
        for i in range(5):
            read.append(i)
            yield "Ein Mann." if i % 2 else ""

    stream = translator.stream(lines())
    assert next(stream)[0].text == "" and read == [0, 1]
    assert [each[0].text for each in stream] == [translator.translate("Ein Mann."), ""] * 2


# CTranslate2


@pytest.mark.parametrize("num_beams", [1, 2, 4])
def test_ctranslate2_finds_the_same(translator, fast, sources, num_beams):
    texts = [*sources, "", LONG]
    ours = translator.search(texts, num_beams, n_best=num_beams)
    theirs = fast.search(texts, num_beams, n_best=num_beams)
    for one, other in zip(ours, theirs, strict=True):
        assert [each.text for each in other] == [each.text for each in one]
        assert [each.score for each in other] == pytest.approx([each.score for each in one], rel=1e-4)


def test_what_depends_on_the_stop_is_left_to_the_model(translator, fast, sources, monkeypatch):
    monkeypatch.setattr(engines, "depends_on_stop", lambda ended, num_beams, n_best: True)
    seen = []
    own = engines.TorchEngine.search
    monkeypatch.setattr(
        engines.TorchEngine, "search", lambda self, rows, *more: seen.append(len(rows)) or own(self, rows, *more)
    )
    ticks = []
    rows, _ = fast._encode(sources)
    found = fast.engine.search(rows, 4, 2, ticks.append)
    assert found == translator.engine.search(rows, 4, 2, lambda count: None)
    assert seen[0] == len(rows) == sum(ticks)


@given(
    st.lists(st.tuples(st.integers(1, 12), st.integers(0, 1000)), max_size=20, unique_by=lambda end: end[1]),
    st.integers(2, 4),
    st.data(),
)
def test_what_does_not_depend_on_the_stop_is_the_same_wherever_it_comes(ends, num_beams, data):
    n_best = data.draw(st.integers(1, num_beams))
    ended = [("x" * length, -worse / 100) for length, worse in sorted(ends, key=lambda end: end[1])]
    if engines.depends_on_stop(ended, num_beams, n_best):
        return
    for stop in range(1, 13):
        there = [end for end in ended if len(end[0]) <= stop]
        if len(there) >= num_beams:
            assert there[:n_best] == ended[:n_best]


def test_the_model_keeps_its_threads(fast):
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    try:
        Translator(fast.checkpoint, "ctranslate2")
        assert torch.get_num_threads() == 3, "CTranslate2 shares them, and would leave one"
    finally:
        torch.set_num_threads(before)


def test_int8_costs_little(translator, fast, played, sources):
    rough = Translator(played / "runs" / "one", "ctranslate2", "int8")
    exact, other = ([each[0].score for each in one.search(sources)] for one in (fast, rough))
    assert exact != other and other == pytest.approx(exact, rel=0.1)


def test_a_checkpoint_is_converted_once_and_anew_when_it_changes(fast, played, tmp_path, monkeypatch):
    made = []
    specification = conversion.specification
    monkeypatch.setattr(conversion, "specification", lambda *given: made.append(1) or specification(*given))
    Translator(played / "runs" / "one", "ctranslate2")
    assert made == []
    shutil.copytree(played / "runs" / "one" / "pretrain", tmp_path / "other")
    before = sorted(path.name for path in (tmp_path / "other").iterdir())
    Translator(tmp_path / "other", "ctranslate2")
    assert made == [1]
    assert sorted(path.name for path in (tmp_path / "other").iterdir()) == before, "the checkpoint is as it was"


def test_where_the_converted_model_cannot_be_kept_one_line_says_so(played, tmp_path, monkeypatch):
    pytest.importorskip("ctranslate2")
    (tmp_path / "home").write_text("a file")
    monkeypatch.setattr(constants, "HF_HOME", str(tmp_path / "home"))
    with pytest.raises(UserError, match="cannot write the converted model"):
        Translator(played / "runs" / "one", "ctranslate2")


def test_where_ctranslate2_is_missing_one_line_says_so(played, monkeypatch):
    monkeypatch.setitem(sys.modules, "ctranslate2", None)
    with pytest.raises(UserError, match="pip install ctranslate2"):
        Translator(played / "runs" / "one", "ctranslate2")


# What it is given


def test_every_form_of_a_checkpoint_is_found(played, tmp_path, monkeypatch):
    entry = played / "runs" / "one"
    assert find_checkpoint(entry) == find_checkpoint(entry / "finetune") == entry / "finetune"
    shutil.copytree(entry / "pretrain", tmp_path / "half" / "pretrain")
    assert find_checkpoint(tmp_path / "half") == tmp_path / "half" / "pretrain"
    monkeypatch.setattr("league.hub.transfer.fetch", lambda name: ("fetched", name))
    assert find_checkpoint("someone/some-model") == ("fetched", "someone/some-model")
    monkeypatch.chdir(played)
    for wrong in ("runs/nothing", "nothing", "/no/where", "a/b/c", "x" * 5000, "runs"):
        with pytest.raises(UserError):
            find_checkpoint(wrong)


def test_rules_come_from_the_record_or_within_bounds_from_the_config(played, tmp_path):
    assert find_rules(played / "runs" / "one" / "finetune") == TINY
    folder = tmp_path / "bare"
    shutil.copytree(played / "runs" / "one" / "finetune", folder)
    rules = find_rules(folder)
    assert (rules.vocab_size, rules.max_length, rules.decoding) == (TINY.vocab_size, TINY.max_length, TINY.decoding)
    assert isinstance(Translator(folder).translate("Ein Mann."), str)
    config = json.loads((folder / "config.json").read_text())
    for value in (10**9, -1, "48", None, True):
        (folder / "config.json").write_text(json.dumps(config | {"max_position_embeddings": value}))
        with pytest.raises(UserError, match="max_position_embeddings"):
            Translator(folder)


def test_code_beside_the_weights_is_not_run(played, tmp_path):
    folder = tmp_path / "evil"
    shutil.copytree(played / "runs" / "one" / "finetune", folder)
    for path in folder.glob("*.py"):
        path.write_text(f"open({str(tmp_path / 'was_run')!r}, 'w')\n")
    assert Translator(folder).translate(["Ein Mann."])
    assert not (tmp_path / "was_run").exists()


@pytest.mark.parametrize(
    "wrong",
    [{"num_beams": 0}, {"num_beams": 65}, {"num_beams": 2, "n_best": 3}, {"n_best": 0}],
    ids=str,
)
def test_a_search_that_cannot_be_is_refused(translator, wrong):
    with pytest.raises(UserError, match="must be between"):
        translator.search(["Ein Mann."], **wrong)


def test_an_engine_that_is_not_there_is_refused(played):
    for wrong in ({"engine": "marian"}, {"compute_type": "int8"}, {"engine": "ctranslate2", "compute_type": "int3"}):
        with pytest.raises(UserError, match="--engine|--compute_type"):
            Translator(played / "runs" / "one", **wrong)


# The command


class Echo:
    """Stands for a translator: returns what it is given, with what would break a line."""

    num_divided, rules = 0, TINY

    def __init__(self):
        self.windows = []

    def search(self, texts, num_beams=None, n_best=1, progress=None):
        self.windows.append(len(texts))
        return [[Hypothesis(f"{text}\r\n{rank}", -0.5) for rank in range(n_best)] for text in texts]


def echo(source: bytes, **options) -> bytes:
    target = io.BytesIO()
    tool.translate_lines(Echo(), TranslateOptions(**options), io.BytesIO(source), target)
    return target.getvalue()


@given(lines=st.lists(st.binary(max_size=12).filter(lambda line: b"\n" not in line), max_size=8), ends=st.booleans())
@settings(deadline=None)
def test_each_line_gives_one_line_in_its_place(lines, ends):
    source = b"\n".join(lines) + (b"\n" if ends and lines else b"")
    expected = source.removesuffix(b"\n").split(b"\n") if source else []
    found = echo(source)
    assert found.count(b"\n") == len(expected)
    for line, answer in zip(expected, found.split(b"\n"), strict=False):
        text = line.removeprefix(b"\xef\xbb\xbf").removesuffix(b"\r").decode(errors="replace").replace("\r", " ")
        assert answer.decode() in (f"{text}  0", f"{line.decode(errors='replace')}  0")


def test_columns_are_number_score_and_text(capsys):
    assert echo(b"a\nb") == b"a  0\nb  0\n"
    assert echo(b"a\nb", scores=True) == b"-0.5000\ta  0\n-0.5000\tb  0\n"
    assert echo(b"a\nb", n_best=2, scores=True).split(b"\n")[1:3] == [b"1\t-0.5000\ta  1", b"2\t-0.5000\tb  0"]
    assert capsys.readouterr().err == ""


def test_what_is_not_utf8_is_counted(capsys):
    assert echo(b"gut\n" + b"\xff\n\xfe\n") == "gut  0\n\ufffd  0\n\ufffd  0\n".encode()
    assert "2 lines were not UTF-8" in capsys.readouterr().err


def test_windows_are_bounded_and_endless_input_is_no_matter(monkeypatch):
    echo_, target = Echo(), io.BytesIO()
    tool.translate_lines(echo_, TranslateOptions(), io.BytesIO(b"x\n" * 5000), target)
    assert echo_.windows == [2000, 2000, 1000] and target.getvalue().count(b"\n") == 5000
    monkeypatch.setattr(tool, "BYTES", 10)
    assert [len(window) for window in tool.windows(io.BytesIO(b"12345\n" * 5))] == [2, 2, 1]


def test_a_line_does_not_wait_for_the_next(monkeypatch):
    read, write = os.pipe()
    found = tool.windows(open(read, "rb"))
    os.write(write, b"eins\nzwei\ndr")
    assert next(found) == [b"eins", b"zwei"]
    threading.Timer(0.1, lambda: (os.write(write, b"ei"), os.close(write))).start()
    assert list(found) == [[b"drei"]]


def command(*words: str) -> list[str]:
    return [sys.executable, "-m", "tools.translate", *words]


def test_the_command_translates_a_file(played, tmp_path, translator):
    source, target = tmp_path / "a.de", tmp_path / "a.en"
    source.write_bytes(b"\xef\xbb\xbfEin Mann.\r\n\r\n" + LONG.encode() + b"\nZwei Hunde.")
    words = [str(played / "runs" / "one"), "--input", str(source), "--output", str(target)]
    done = run(command(*words), ROOT)
    expected = [translator.translate(text) for text in ("Ein Mann.", "", LONG, "Zwei Hunde.")]
    assert target.read_text(encoding="utf-8").split("\n") == [*expected, ""]
    assert done.stdout == "" and "1 line was longer than 48 tokens" in done.stderr
    with pytest.raises(UserError, match="is the input"):
        tool.main([words[0], "--input", str(source), "--output", str(source)])
    os.link(source, tmp_path / "same.de")
    before = source.read_bytes()
    with source.open("rb") as stdin:
        words = command(words[0], "--output", str(tmp_path / "same.de"))
        done = subprocess.run(words, cwd=ROOT, stdin=stdin, capture_output=True, text=True)
    assert done.returncode == 2 and "that is the input" in done.stderr and source.read_bytes() == before
    with pytest.raises(UserError, match="--input"):
        tool.main([words[0], "--input", str(tmp_path)])


def test_a_reader_that_goes_away_ends_it_quietly(played):
    words = command(str(played / "runs" / "one"))
    with subprocess.Popen(
        words, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        process.stdin.write(b"Ein Mann.\n")
        process.stdin.flush()
        assert process.stdout.readline().endswith(b"\n"), "before its input has ended"
        process.stdout.close()
        process.stdin.write(b"Ein Mann.\n" * 3)
        process.stdin.flush()
        assert process.wait(60) == tool.PIPE_CLOSED
        assert process.stderr.read() == b""


def test_on_a_terminal_it_is_a_conversation(played, translator):
    parent, child = pty.openpty()
    with subprocess.Popen(
        command(str(played / "runs" / "one")), cwd=ROOT, stdin=child, stdout=child, stderr=child, start_new_session=True
    ) as process:
        os.close(child)
        seen = read_until(parent, "> ")
        assert "Ctrl-D ends" in seen
        os.write(parent, b"Ein Mann.\n")
        seen = read_until(parent, "\n> ")
        assert translator.translate("Ein Mann.") in seen.replace("\r\n", "\n")
        os.write(parent, b"\x04")
        assert process.wait(60) == 0
    os.close(parent)


def test_an_interruption_is_no_traceback(played):
    with subprocess.Popen(
        command(str(played / "runs" / "one")),
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # which a shell's background job ignores
    ) as process:
        process.stdin.write(b"Ein Mann.\n")
        process.stdin.flush()
        process.stdout.readline()
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 130
        assert process.stderr.read() == b"Interrupted.\n"


def read_until(terminal: int, end: str, seconds: float = 60) -> str:
    seen, until = b"", time.monotonic() + seconds
    while not seen.decode(errors="replace").replace("\r\n", "\n").endswith(end):
        assert time.monotonic() < until, seen
        seen += os.read(terminal, 4096)
    return seen.decode(errors="replace")
