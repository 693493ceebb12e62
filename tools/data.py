"""Show the data that a league trains and is validated on: sizes, lengths, examples, and what its filters leave out.

    python -m tools.data demo-summaries
    python -m tools.data dialogues --data_dir DIR --examples 1

The test set stays closed: evaluate_bleu.py alone opens it.
"""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

from league.cli.options import parse_options
from league.errors import UserError, printable, run_command
from league.rulebook import League
from league.values import DataDirOptions
from league_config import LEAGUES

NUM_BARS, WIDTH = 8, 30  # of a histogram
MOST_LETTERS = 300  # of an example
MOST_EXAMPLES = 2  # of what a filter leaves out


@dataclass
class ShownOptions(DataDirOptions):
    examples: int = field(default=2, metadata={"help": "rows of each split to show (default: 2)"})


def main(argv: list[str] | None = None) -> None:
    words = {"league": {"help": f"one of {', '.join(LEAGUES)}", "choices": list(LEAGUES)}}
    options, named = parse_options(__doc__, ShownOptions, argv=argv, words=words)
    if not 0 <= options.examples <= 1000:
        raise UserError(f"--examples {options.examples}: must be between 0 and 1,000.")
    for line in about(LEAGUES[named.league], options):
        print(line, flush=True)


def about(rules: League, options: ShownOptions) -> Iterator[str]:
    """Say of each corpus what is in it."""
    from league.tasks.task import task_of

    rules = rules.as_tuned(asdict(rules.tuned("finetune")()))  # with the filters that it starts with
    tokenizer, shown = None, set()
    for stage in ("pretrain", "finetune"):
        task, corpus = task_of(rules, stage), getattr(rules, stage).corpus
        if corpus.name in shown:
            continue
        shown.add(corpus.name)
        train = task.load_split(corpus, "train", options.data_dir)
        validation = task.load_split(corpus, "validation", options.data_dir)
        yield from task.about(train, validation)
        tokenizer = tokenizer or task.train_tokenizer(train)
        for split in (train, validation):
            yield from about_split(split, tokenizer, rules.max_length)
            yield from examples(split, options.examples)
        yield from left_out(rules, corpus, options.data_dir, train.rows.names)
        yield from too_long(task, train, tokenizer)


def about_split(split, tokenizer, limit: int) -> Iterator[str]:
    """Say how many rows a split has, and how long their texts are."""
    report = split.report
    yield f"\n{split.name}: {report['used']:,} rows of {report['rows']:,} that were read ({report['origin']})"
    for column in split.rows.names:
        texts = split.texts(column)
        words = sorted(len(text.split()) for text in texts)
        lengths = [len(ids) for ids in tokenizer(list(texts), verbose=False)["input_ids"]]
        over = 100 * sum(length > limit for length in lengths) / len(lengths)
        middle, nearly_all = words[len(words) // 2], words[len(words) * 99 // 100]
        yield (
            f"  {column}: {words[0]} to {words[-1]} words, half have {middle} or fewer, 99 of 100 {nearly_all} or "
            f"fewer; {sum(lengths) / len(lengths):.1f} tokens on average, {over:.1f} % have more than the {limit} "
            "that the model reads"
        )
        yield from histogram(words)


def histogram(values: Sequence[int]) -> Iterator[str]:
    """Draw how often values occur, a bar for each stretch of them."""
    low, high = min(values), max(values)
    step = max(1, -(-(high - low + 1) // NUM_BARS))
    counts = [0] * (1 + (high - low) // step)
    for value in values:
        counts[(value - low) // step] += 1
    for i, count in enumerate(counts):
        first = low + i * step
        span = f"{first}–{first + step - 1}" if step > 1 else str(first)
        yield f"    {span:>11}  {'█' * round(WIDTH * count / max(counts)):<{WIDTH}} {count:,}"


def examples(split, count: int) -> Iterator[str]:
    """Show the first rows."""
    for i in range(min(count, len(split.rows))):
        for column in split.rows.names:
            yield f"  {column}: {shown(split.texts(column)[i])}"


def shown(text: str) -> str:
    return printable(" / ".join(text.split("\n")), MOST_LETTERS)


def left_out(rules: League, corpus, data_dir: str | None, columns: Sequence[str]) -> Iterator[str]:
    """Say what the filters of a training split leave out, and why."""
    from league.data.corpora import dropped
    from league.rulebook import Mixture

    if isinstance(corpus.origin, Mixture):
        return
    found = dropped(rules, corpus, data_dir, tuple(columns))
    yield f"  left out of {corpus.name}.train: {sum(map(len, found.values())):,} rows"
    for why, texts in sorted(found.items()):
        yield f"    {why}: {len(texts):,}"
        yield from (f"      {shown(text)}" for text in texts[:MOST_EXAMPLES])


def too_long(task, train, tokenizer) -> Iterator[str]:
    """Say what a filter by length in tokens leaves out of the rows that are used."""
    most = getattr(task.rules, task.stage).corpus.filters.get("most_tokens")
    if most:
        with TemporaryDirectory() as cache:
            rows = task.tokens(train, tokenizer, Path(cache)).left_out()
        yield f"    of the rows used, more than {most} tokens: {len(rows):,}"
        yield from (f"      {shown(train.sources[int(i)])}" for i in rows[:MOST_EXAMPLES])


if __name__ == "__main__":
    run_command(main)
