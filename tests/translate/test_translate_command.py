"""The command that translates: lines in, lines out, and how it ends."""

import io
import os
import pty
import signal
import subprocess
import sys
import threading
import time

import pytest
from conftest import ROOT, run
from hypothesis import given, settings
from hypothesis import strategies as st
from play import TINY
from translating import LONG

from league.errors import PIPE_CLOSED, UserError
from league.translate.translator import Hypothesis
from tools import translate as tool
from tools.translate import TranslateOptions

pytest_plugins = "translating"


class Echo:
    """Stands for a translator: returns what it is given, with what would break a line."""

    num_long, rules = 0, TINY

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


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="a device of Linux")
def test_a_full_disk_is_told_in_a_line():
    with (
        pytest.raises(UserError, match="cannot write the translations: No space left"),
        open("/dev/full", "wb") as full,
    ):
        tool._write(full, b"A dog.\n", 0)


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
        assert process.wait(60) == PIPE_CLOSED
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
