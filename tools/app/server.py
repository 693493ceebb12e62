"""The app's server: Gradio's pages, and beside them the board and the reports as files of our own making."""

import os
import re
import socket
import tempfile
import threading
import warnings
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"

import gradio as gr
import uvicorn
from fastapi import FastAPI, Request
from fastapi.responses import FileResponse, HTMLResponse, Response

from league.errors import UserError
from league.files import write_text
from league.record.folder import last_step
from league.report.look import render
from league.report.texts import say, translated
from league.rulebook import STAGES
from league.tasks.predictions import predictions_files

from .folder import Folder, stamp
from .history import History
from .look import theme
from .models import Models
from .pages import pages

# Nothing may be fetched from elsewhere, and nothing sent there.
ONLY_HERE = "default-src 'self' 'unsafe-inline' 'unsafe-eval' data: blob:"
# A page in a frame has no origin: it can run its own script and no more.
FRAMED = "sandbox allow-scripts allow-downloads; default-src 'none'; style-src 'unsafe-inline'; img-src data: 'self'; "
FRAMED += "script-src 'unsafe-inline' 'self'"
# Doors of Gradio's that the app has no use for: files in, files out, requests to elsewhere.
DOORS = (
    "upload",
    "file",
    "proxy",
    "stream",
    "component_server",
    "deep_link",
    "process_recording",
    "run-history",
    "runs",
)
WATCHED = ("record.json", *sorted(predictions_files()))  # what the board and a report are made from
CLOSED = tuple(f"/gradio_api/{name}" for name in DOORS)


def server(
    folder: Folder, data_dir: str | None = None, allows_hub: bool = True, history: History | None = None
) -> FastAPI:
    """Return the app."""
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    files = Files(folder, data_dir)

    @app.middleware("http")
    async def only_here(request: Request, call_next) -> Response:
        is_closed = request.scope["path"].startswith(CLOSED)
        response = Response(status_code=404) if is_closed else await call_next(request)
        response.headers.setdefault("Content-Security-Policy", ONLY_HERE)
        response.headers["X-Content-Type-Options"] = "nosniff"
        return response

    @app.get("/board/{path:path}")
    def board(path: str) -> Response:
        return framed(files.board(path))

    @app.get("/reports/{name}")
    def report(name: str) -> Response:
        return framed(files.report(name))

    if history:

        @app.get("/history.jsonl")
        def training_data(words: str = "", rating: int = 0) -> Response:
            content = "".join(history.as_training_data(words, rating))
            return Response(content, media_type="application/jsonl")

    @app.exception_handler(UserError)
    def refuse(request: Request, error: UserError) -> Response:
        page = render(
            "league/report/templates/base.html", title=say("app.not_here"), words=translated(folder.public(error))
        )
        return HTMLResponse(page, 404, {"Content-Security-Policy": FRAMED})

    warnings.filterwarnings("ignore", message="SSR mode")
    return gr.mount_gradio_app(
        app,
        pages(folder, Models(folder, allows_hub), history),
        path="/",
        theme=theme(),
        head=render("tools/app/templates/head.html"),  # with the styles: Gradio would rewrite what it is given as css
        footer_links=[],
        ssr_mode=False,
        show_error=False,
    )


def framed(path: Path) -> Response:
    return FileResponse(path, headers={"Content-Security-Policy": FRAMED, "Cache-Control": "no-cache"})


class Files:
    """The board and the reports, made again when what they show has changed."""

    def __init__(self, folder: Folder, data_dir: str | None):
        self.folder, self.data_dir = folder, data_dir
        self._made = tempfile.TemporaryDirectory(prefix="league-app-")
        self._lock = threading.Lock()
        self._shown: dict[str, object] = {}
        self._rows: dict[str, Any] = {}  # by what the board calls their reports

    def board(self, name: str) -> Path:
        """Return a file of the board."""
        out = Path(self._made.name) / "board"
        if name == "index.html":
            with self._lock:
                self._make_board(out)
        elif report := re.fullmatch(r"reports/(\w+)\.html", name):
            return self._report_of_row(report[1])
        path = out / name
        if not re.fullmatch(r"(\w+/)?\w[\w.-]*", name) or not path.is_file():
            raise UserError("the board has no such file.")
        return path

    def _make_board(self, out: Path) -> None:
        from tools.board import build, write
        from tools.board.cache import Cache

        now = self._handed_in()
        if self._shown.get("board") != now:
            # Kept for as long as the app runs: nothing is written where it was started.
            cache = Cache(Path(self._made.name) / "cache")
            board = build(self.folder.path, self.data_dir, cache=cache)
            write(board, out, reports=None)
            self._rows = {row.id: row for row in (*board.entries, *board.unranked)}
            self._shown["board"] = now

    def _handed_in(self) -> dict[str, object]:
        """Return what changes when an entry does, as deep as the board looks for them."""
        from tools.board.handed_in import MOST_DEPTH

        top = self.folder.path
        found = {str(path): None if path.is_dir() else stamp(path) for path in top.glob("[!.]*")}
        for place, folders, files in os.walk(top):
            is_entry = "record.json" in files
            is_deep = is_entry or len(Path(place).relative_to(top).parts) >= MOST_DEPTH
            folders[:] = [] if is_deep else [name for name in folders if not name.startswith(".")]
            shown = [name for name in files if (name in WATCHED if is_entry else name.lower().endswith(".zip"))]
            found |= {path: stamp(Path(path)) for path in (os.path.join(place, name) for name in shown)}
        return found

    def _report_of_row(self, row_id: str) -> Path:
        row = self._rows.get(row_id)
        if row is None or row.name in self.folder.names():
            return self.report(row and row.name)
        # It lies in a zip, or deeper.
        return self._report(f"handed-in/{row_id}", row.source.received, row.source.unpacked)

    def report(self, name: str | None) -> Path:
        """Return the report of an entry: one that is made here, never one that lies there."""
        from league.report.reading import SCRATCH

        entry = self.folder.entry(name)
        shown = (*WATCHED, "clock.json", f"../{entry.name}{SCRATCH}/record.json")
        version = [stamp(entry / file) for file in shown], [last_step(entry, stage) for stage in STAGES]
        return self._report(f"reports/{name}", version, lambda: nullcontext(entry))

    def _report(self, place: str, version: object, opened: Callable[[], AbstractContextManager[Path]]) -> Path:
        from league.hardware import prepare_process
        from league.report.facts import gather
        from league.report.page import entry_page

        prepare_process()
        out = Path(self._made.name) / place
        with self._lock:
            if self._shown.get(place) != version:
                with opened() as folder:
                    out.mkdir(parents=True, exist_ok=True)
                    # Right at /board/reports/NAME.html and at /reports/NAME, which has nothing above /.
                    page = entry_page(gather(folder, self.data_dir), {"board": "../../board/index.html"})
                    write_text(out / "report.html", page)
                self._shown[place] = version
        return out / "report.html"


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that is ready, or say why there is none."""
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
        listening.listen()  # who comes before all is loaded waits
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or error
        raise UserError(f"--host {host} --port {port}: {reason}; take another --port, or 0 for a free one.") from None
    return listening


def serve(folder: Path, host: str, port: int, **options: Any) -> None:
    """Serve until interrupted; the options are those of `server`."""
    listening = listen(host, port)
    app = server(Folder(folder), **options)
    print(f"http://{host}:{listening.getsockname()[1]}", flush=True)
    uvicorn.Server(uvicorn.Config(app, log_level="warning")).run(sockets=[listening])
