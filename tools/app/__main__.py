"""Show a folder of entries in a browser: board, translator, reports, and what is running now.

    python -m tools.app
    python -m tools.app runs --host 0.0.0.0 --port 8000
    python -m tools.app runs --space my-space --entries mine other

The first one is for this machine alone; --host 0.0.0.0 opens the app to the network, for a projector and for phones.
--history sqlite:///history.db keeps texts and answers, which all who open the app can then read.
The last one writes a folder that is a complete Hugging Face Space, and prints the line that uploads it.
"""

from dataclasses import dataclass, field
from pathlib import Path

from league.cli.options import parse_options
from league.errors import UserError, run_command
from league.values import check_data_dir


@dataclass
class AppOptions:
    host: str = field(default="127.0.0.1", metadata={"help": "address to listen at; 0.0.0.0 for the whole network"})
    port: int = field(default=7860, metadata={"help": "port to listen at; 0 takes a free one"})
    data_dir: str | None = field(
        default=None, metadata={"help": "folder with local text files, as the scripts take it, for the reports"}
    )
    no_hub: bool = field(default=False, metadata={"help": "translate with the folder's entries alone"})
    history: str | None = field(
        default=None,
        metadata={"metavar": "URL", "help": "keep what is asked and answered, in sqlite:///FILE or another database"},
    )
    space: str | None = field(default=None, metadata={"metavar": "DIR", "help": "write a Space, and serve nothing"})
    entries: list[str] = field(default_factory=list, metadata={"help": "entries to put into the Space (default: all)"})


def main(argv: list[str] | None = None) -> None:
    words = {"folder": {"nargs": "?", "default": "runs", "help": "folder of entries (default: runs)"}}
    options, named = parse_options(__doc__, AppOptions, argv=argv, words=words)
    folder = Path(named.folder)
    if not folder.is_dir():
        raise UserError(f"there is no folder {folder}: python train_pretrain.py makes it, or name another one.")
    check_data_dir(options.data_dir)
    if options.space is not None:
        from .space import write_space

        return print(write_space(folder, Path(options.space), options.entries, not options.no_hub))
    if options.entries:
        raise UserError("--entries: only goes with --space.")
    try:
        import gradio  # noqa: F401
        import sqlalchemy  # noqa: F401
    except ImportError:
        raise UserError("the app needs Gradio: pip install -r requirements-app.txt") from None

    from .history import History
    from .server import serve

    history = None if options.history is None else History(options.history)
    more = {"data_dir": options.data_dir, "allows_hub": not options.no_hub, "history": history}
    serve(folder, options.host, options.port, **more)


if __name__ == "__main__":
    run_command(main)
