"""Show what a checkpoint is: its layers and their sizes, what trains, its special tokens, and how it generates.

    python -m tools.inspect runs/mine
    python -m tools.inspect facebook/bart-base --depth 3
    python -m tools.inspect runs/mine --freeze all_but_last_1

The checkpoint is an entry (its last stage), a folder, or a name on the Hub, of any encoder-decoder that the library
knows. Its weights are not read: sizes are enough. No code that lies in it is run.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from league.cli.options import parse_options
from league.errors import UserError, printable, run_command

DEEPEST = 8
MOST_SHAPES = 6  # of one line


@dataclass
class InspectOptions:
    depth: int = field(default=2, metadata={"help": "levels of modules to show (default: 2)"})
    freeze: str = field(default="nothing", metadata={"help": "show what would train: as --freeze of train_finetune.py"})


def main(argv: list[str] | None = None) -> None:
    words = {"checkpoint": {"help": "runs/ENTRY, a checkpoint's folder, or OWNER/MODEL on the Hub"}}
    options, named = parse_options(__doc__, InspectOptions, argv=argv, words=words)
    if not 1 <= options.depth <= DEEPEST:
        raise UserError(f"--depth {options.depth}: must be between 1 and {DEEPEST}.")

    from league import hardware
    from league.tasks.freezing import check_freeze

    check_freeze(options.freeze)
    hardware.prepare_process()
    for line in about(find(named.checkpoint), options):
        print(printable(line, math.inf))


def find(where: str):
    """Return a checkpoint: here, or else on the Hub."""
    from league.tasks.given import Given, fetch

    folder = Path(where)
    for place in (folder / "finetune", folder / "pretrain", folder):
        if (place / "config.json").is_file():
            return Given(where, place)
    if folder.exists() or len(folder.parts) != 2 or folder.is_absolute():
        raise UserError(f"{where}: holds no config.json; give runs/NAME, a checkpoint's folder, or OWNER/MODEL.")
    return fetch(where, "main", with_weights=False)


def about(checkpoint, options: InspectOptions) -> Iterator[str]:
    """Say what a checkpoint is."""
    import torch
    from transformers import AutoModelForSeq2SeqLM

    from league.tasks.freezing import freeze

    config, tokenizer = checkpoint.config(), checkpoint.tokenizer()
    with checkpoint.readable():
        with torch.device("meta"):
            model = AutoModelForSeq2SeqLM.from_config(config)
        freeze(model.get_encoder(), options.freeze, notes=False)
    size = sum(weight.numel() for weight in model.parameters())
    trained = sum(weight.numel() for weight in model.parameters() if weight.requires_grad)
    yield f"{checkpoint.repo_id}: {type(model).__name__}, {size:,} parameters"
    yield f"memory in float32: {_megabytes(4 * size)}, and to train it with AdamW {_megabytes(4 * size + 12 * trained)}"
    yield f"trained: {trained:,} of them ({100 * trained / size:.1f} %), with --freeze {options.freeze}"
    yield ""
    yield from modules(model, options.depth)
    yield ""
    yield from tokens(config, tokenizer)
    yield ""
    yield from generation(checkpoint, config)


def _megabytes(size: int) -> str:
    return f"{size / 2**20:,.1f} MiB"


def modules(model, depth: int) -> Iterator[str]:
    """List the modules down to a depth: how large they are, whether they train, and the shapes of their weights."""
    rows, seen = [], {}
    for name, module in model.named_modules(remove_duplicate=False):
        level, weights = name.count(".") + 1, list(module.parameters())
        if not name or level > depth or not weights:
            continue
        first = seen.setdefault(id(module), name)
        is_leaf = level == depth or not list(module.children())
        own = weights if is_leaf else module.parameters(recurse=False)
        shapes = ["×".join(map(str, weight.shape)) for weight in own]
        flags = {weight.requires_grad for weight in weights}
        state = "trains" if flags == {True} else "frozen" if flags == {False} else "in part"
        more = f" … {len(shapes)} in all" if len(shapes) > MOST_SHAPES else ""
        shown = f"the same as {first}" if first != name else " ".join(shapes[:MOST_SHAPES]) + more
        size = sum(weight.numel() for weight in weights)
        rows.append((f"{'  ' * (level - 1)}{name}", type(module).__name__, f"{size:,}", state, shown))
    widths = [max(len(row[i]) for row in rows) for i in range(4)]
    for name, kind, size, state, shown in rows:
        yield f"{name:<{widths[0]}}  {kind:<{widths[1]}}  {size:>{widths[2]}}  {state:<{widths[3]}}  {shown}".rstrip()


def tokens(config, tokenizer) -> Iterator[str]:
    """Say what the tokenizer is, and which ids mean something to the model."""
    room = getattr(config, "max_position_embeddings", None)
    yield f"tokenizer: {type(tokenizer).__name__}, {len(tokenizer):,} tokens" + (f"; room for {room:,}" if room else "")
    for name, token in tokenizer.special_tokens_map.items():
        yield f"  {name}: {token!r} is {tokenizer.convert_tokens_to_ids(token)}"
    ids = tokenizer("a b", verbose=False)["input_ids"]
    yield f"  'a b' becomes {' '.join(tokenizer.convert_ids_to_tokens(ids))!r}"
    yield f"  the decoder starts with {getattr(config, 'decoder_start_token_id', None)}"


def generation(checkpoint, config) -> Iterator[str]:
    """Say how the checkpoint generates where nobody says otherwise."""
    from league.tasks.pretrained import generation_of

    with checkpoint.readable():
        settings = generation_of(checkpoint.folder, config).to_diff_dict()
    yield "generation, where it is not the library's default:"
    for name, value in sorted(settings.items()):
        if not name.startswith(("_", "transformers_version")):
            yield f"  {name}: {value}"


if __name__ == "__main__":
    run_command(main)
