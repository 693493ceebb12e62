"""Translate with a trained model: line by line from standard input to standard output, or as you type.

    python -m tools.translate runs/mine                     # on a terminal: type a line, read its translation
    python -m tools.translate runs/mine < german.txt > english.txt
    python -m tools.translate OWNER/MODEL --engine ctranslate2 --input german.txt --output english.txt
    python -m tools.translate runs/mine --n_best 3 --scores < german.txt
    python -m tools.translate runs/summaries --null --json < documents > summaries.jsonl

The model is an entry (its last stage), a checkpoint's folder, or a name on the Hub. Each line gives one line: an empty
one stays empty, and one that is too long for the model is translated in parts. With --n_best each line gives so many,
best first. Columns, with tabs between them: the line's number (with --n_best), the score (with --scores), the text.
A model of another task writes what it has learned: summaries; labels, with their probabilities as scores; a masked
language model, which is stage A of a readers' league, each text with words in the place of "<mask>". Texts of several
lines come in with --null between them, and go out so; --json writes a line of JSON for each text that comes out, with
its number, score and lines. --copied shows which words were not the model's own.
"""

import codecs
import json
import os
import stat
import sys
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from queue import Empty, Queue
from threading import Thread
from typing import BinaryIO

from league.cli.options import parse_options
from league.errors import Interrupted, UserError, run_command

LINES, BYTES = 2000, 1_000_000  # of a window, at most: lines are sorted by length in it
IDLE = 0.2  # seconds without another line after which a window is translated as it is
READ_AHEAD = 100  # lines
BLOCK = 65_536  # bytes
MOST_TEMPERATURE = 10  # at which every token is as likely as any other


@dataclass
class TranslateOptions:
    num_beams: int | None = field(default=None, metadata={"help": "beams of the search; 1 is greedy (default: 4)"})
    n_best: int = field(default=1, metadata={"help": "translations of each line, no more than beams"})
    scores: bool = field(default=False, metadata={"help": "write before each translation its score"})
    temperature: float = field(
        default=0.0,
        metadata={"help": "draw the texts at random, the more so the higher (1: as likely as the model says)"},
    )
    engine: str = field(
        default="torch",
        metadata={"help": "torch; or ctranslate2, which pays in int8: the checkpoint is converted once"},
    )
    compute_type: str = field(
        default="float32", metadata={"help": "float32; or, with ctranslate2, int8: fast, less exact"}
    )
    copied: bool = field(
        default=False,
        metadata={"help": "mark the words that stand in the text, too: [so], or in JSON as places of letters"},
    )
    null: bool = field(default=False, metadata={"help": "a NUL ends each text, and not the end of a line"})
    json: bool = field(default=False, metadata={"help": "write a line of JSON for each text that comes out"})
    input: str | None = field(default=None, metadata={"help": "file to read (default: standard input)"})
    output: str | None = field(default=None, metadata={"help": "file to write (default: standard output)"})


def main(argv: list[str] | None = None) -> None:
    words = {"model": {"help": "runs/ENTRY, a checkpoint's folder, or a name on the Hub, OWNER/MODEL"}}
    options, named = parse_options(__doc__, TranslateOptions, argv=argv, words=words)
    try:
        run(named.model, options)
    except KeyboardInterrupt:
        raise Interrupted("Interrupted.") from None


def run(where: str, options: TranslateOptions) -> None:
    with ExitStack() as files:
        if options.input:
            source = files.enter_context(_open("--input", options.input, "rb"))
        else:
            source = _open("standard input", 0, "rb", closefd=False)
        if options.output and _is_open_file(options.output, source):
            raise UserError(f"--output {options.output}: that is the input; name another file.")
        translator = load(where, options)
        if options.input is options.output is None and sys.stdin.isatty() and sys.stdout.isatty():
            return converse(translator, options)
        target = sys.stdout.buffer
        if options.output:
            target = files.enter_context(_open("--output", options.output, "wb"))
        translate_lines(translator, options, source, target)


def _is_open_file(path: str, file: BinaryIO) -> bool:
    try:
        return os.path.samestat(os.stat(path), os.fstat(file.fileno()))
    except (OSError, ValueError):
        return False  # it is not there yet


def _open(flag: str, path: str | int, mode: str, closefd: bool = True) -> BinaryIO:
    try:
        return open(path, mode, closefd=closefd)
    except (OSError, ValueError) as error:
        raise UserError(f"{flag} {path}: {getattr(error, 'strerror', None) or error}.") from None


def load(where: str, options: TranslateOptions):
    """Return the translator, or what answers in its place, once it is clear that it can do what is asked."""
    from league import hardware
    from league.translate.labeller import open_model

    hardware.prepare_process()
    translator = open_model(where, options.engine, options.compute_type)
    if not 0 <= options.temperature <= MOST_TEMPERATURE:
        raise UserError(f"--temperature {options.temperature:g}: must be between 0 and {MOST_TEMPERATURE}.")
    if options.temperature and not hasattr(translator, "temperature"):
        raise UserError(f"--temperature {options.temperature:g}: this model writes no texts.")
    if options.copied and not hasattr(translator, "temperature"):
        raise UserError("--copied: this model writes no texts.")
    translator.temperature = options.temperature
    translator.check(options.num_beams, options.n_best)
    return translator


def converse(translator, options: TranslateOptions) -> None:
    """Translate what is typed, line by line, until the end of input."""
    with suppress(ImportError):  # a Python that was built without it
        import readline  # noqa: F401  arrow keys and a history for input()

    for stream in (sys.stdin, sys.stdout):
        stream.reconfigure(errors="replace")
    print(f"{translator.checkpoint}: type a sentence, or paste several lines; Ctrl-D ends.", file=sys.stderr)
    number = 0
    while True:
        try:
            line = input("> ")
        except EOFError:
            return print()
        number += 1
        (hypotheses,) = translator.search([line], options.num_beams, options.n_best)
        print(*output_lines(hypotheses, number, options, line), sep="\n", flush=True)


def translate_lines(translator, options: TranslateOptions, source: BinaryIO, target: BinaryIO) -> None:
    """Translate a stream of any length, window by window; report at its end how many lines were unusual."""
    from tqdm import tqdm

    number = num_broken = 0
    end = "\0" if options.null else "\n"
    total = count_texts(source, end.encode()) if sys.stderr.isatty() else None
    with tqdm(total=total, unit=" lines", disable=None) as progress:
        for window in windows(source, options.null):
            texts = [line.decode(errors="replace") for line in window]
            num_broken += sum(not _is_utf8(line) for line in window)
            results = translator.search(texts, options.num_beams, options.n_best, progress)
            answered = enumerate(zip(results, texts, strict=True), number + 1)
            lines = [line for i, (one, text) in answered for line in output_lines(one, i, options, text)]
            end_of_output = "\n" if options.json else end
            _write(target, "".join(f"{line}{end_of_output}" for line in lines).encode(), number)
            number += len(window)
            progress.n = number  # an empty line was not searched for, a long one several times
            progress.refresh()
    if num_broken:
        print(f"{_lines(num_broken)} not UTF-8: what could not be read became U+FFFD.", file=sys.stderr)
    if translator.num_long:
        limit, then = translator.rules.max_length, "cut there"
        if translator.divides:
            then = "summarized by windows" if translator.task.windows else "translated in parts"
        print(f"{_lines(translator.num_long)} longer than {limit} tokens: {then}.", file=sys.stderr)


def _lines(count: int) -> str:
    return f"{count:,} line was" if count == 1 else f"{count:,} lines were"


def _is_utf8(line: bytes) -> bool:
    try:
        line.decode()
    except UnicodeDecodeError:
        return False
    return True


def _write(target: BinaryIO, content: bytes, number: int) -> None:
    try:
        target.write(content)
        target.flush()
    except OSError as error:
        if isinstance(error, BrokenPipeError) and target is sys.stdout.buffer:
            raise
        with suppress(OSError):  # what is left in its buffer cannot be written either
            target.close()
        raise UserError(f"cannot write the translations: {error.strerror}; {number:,} lines are written.") from None


def output_lines(hypotheses: list, number: int, options: TranslateOptions, source: str) -> Iterator[str]:
    """Return the lines for the translations of a line."""
    if options.copied:  # it loads what counts the score
        from league.translate.copying import bracketed, copied

    for one in hypotheses:
        if options.json:
            row = {"number": number, "score": round(one.score, 4), "text": one.text}
            if options.copied:
                row["copied"] = copied(one.text, source)
            yield json.dumps(row, ensure_ascii=False)
            continue
        # A model may write any byte; what ends a text would upset the count.
        ends = "\0" if options.null else "\r\n"
        text = bracketed(one.text, source) if options.copied else one.text
        columns = [text.translate(dict.fromkeys(map(ord, ends), " "))]
        if options.scores:
            columns.insert(0, f"{one.score:.4f}")
        if options.n_best > 1:
            columns.insert(0, str(number))
        yield "\t".join(columns)


def windows(source: BinaryIO, by_null: bool = False) -> Iterator[list[bytes]]:
    """Yield the texts of a stream in groups: as many as are there, so that no line waits for one that is not."""
    queue: Queue[bytes | OSError | None] = Queue(READ_AHEAD)
    Thread(target=_read, args=(_texts(source, by_null), queue), daemon=True).start()
    window, size, line = [], 0, b""
    while isinstance(line, bytes):
        if len(window) >= LINES or size >= BYTES:
            yield window
            window, size = [], 0
        try:
            line = queue.get(timeout=IDLE if window else None)
        except Empty:
            yield window
            window, size = [], 0
            continue
        if isinstance(line, bytes):
            window.append(line)
            size += len(line)
    if window:
        yield window
    if line:
        raise UserError(f"cannot read the input: {line.strerror}.")


def _texts(source: BinaryIO, by_null: bool) -> Iterator[bytes]:
    """Yield the texts of a stream, without what ends them."""
    if not by_null:
        yield from (line.removesuffix(b"\n").removesuffix(b"\r") for line in source)
        return
    rest = b""
    while block := source.read1(BLOCK):
        *whole, rest = (rest + block).split(b"\0")
        yield from whole
    if rest:
        yield rest


def _read(texts: Iterator[bytes], queue: Queue) -> None:
    """Put texts into a queue, and None or an error at last."""
    try:
        for number, text in enumerate(texts):
            queue.put(text if number else text.removeprefix(codecs.BOM_UTF8))
        queue.put(None)
    except OSError as error:
        queue.put(error)


def count_texts(source: BinaryIO, end: bytes) -> int | None:
    """Return how many texts are left in a file, for the progress bar; None where that is unknown."""
    if not stat.S_ISREG(os.fstat(source.fileno()).st_mode):
        return None
    start, count, block = source.tell(), 0, end
    while more := source.read(2**20):
        count, block = count + more.count(end), more
    source.seek(start)
    return count + (not block.endswith(end))


if __name__ == "__main__":
    run_command(main)
