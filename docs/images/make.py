"""Make this folder's pictures of pages again, in a browser, from entries that were played.

    make league
    python train_finetune.py --league demo --entry gentle --pretrained demo --learning_rate 1e-5
    python evaluate_bleu.py --league demo --entry gentle
    python train_finetune.py --league demo --entry hot --pretrained demo --learning_rate 1e-3
    python evaluate_bleu.py --league demo --entry hot
    python -m tools.tune --league demo --entry tuned --minutes 9
    python docs/images/make.py runs

Without the entry tuned, tune-report.png stays as it is. The picture of the live page trains one more entry for a while,
in a copy. tune-rivals.png comes from benchmarks/.
"""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import suppress
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]
HERE = Path(__file__).resolve().parent
LIVE = ["--league", "demo", "--entry", "bold", "--pretrained", "demo", "--learning_rate", "3e-4", "--game", "spring"]
LIVE_SECONDS = 20.0  # of training after the first glimpse, before its picture is taken


def main(runs: Path) -> None:
    from browser import browsing

    from league.report.write import write_entry_report
    from tools.board import build, write

    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        shutil.copytree(runs, folder / "runs", ignore=shutil.ignore_patterns(".games", "under_way"))
        write_entry_report(folder / "runs" / "gentle")
        write(build(folder / "runs"), folder / "board", reports=0)
        with browsing(width=1440, height=1000, device_scale_factor=1) as page:
            page.goto((folder / "runs" / "gentle" / "report.html").as_uri())
            picture(page, "entry-report.png", height=1180)
            page.locator("#attention").screenshot(path=HERE / "attention.png")
            page.goto((folder / "board" / "index.html").as_uri())
            picture(page, "board.png", height=900)
            if (study := folder / "runs" / "tuned" / "tune" / "report.html").is_file():
                page.goto(study.as_uri())
                picture(page, "tune-report.png", height=1100)
        of_the_app(folder)


def of_the_app(folder: Path) -> None:
    """Take the pictures of the app, which serves a copy of the entries; one more trains meanwhile."""
    import uvicorn
    from browser import browsing
    from playwright.sync_api import TimeoutError as PlaywrightTimeout

    from tools.app.folder import Folder
    from tools.app.server import listen, server

    os.chdir(folder)
    listening = listen("127.0.0.1", 0)
    running = uvicorn.Server(uvicorn.Config(server(Folder(Path("runs"))), log_level="warning"))
    thread = threading.Thread(target=running.run, kwargs={"sockets": [listening]})
    thread.start()
    address = f"http://127.0.0.1:{listening.getsockname()[1]}"
    training = subprocess.Popen([sys.executable, str(ROOT / "train_finetune.py"), *LIVE], stderr=subprocess.DEVNULL)
    try:
        with browsing(width=390, height=844, device_scale_factor=2) as page:
            page.goto(f"{address}/translate?entry=gentle")
            page.locator(".translation").wait_for(timeout=120_000)
            page.screenshot(path=HERE / "app-translate-phone.png")
        with browsing(width=1920, height=1080) as page:
            page.goto(f"{address}/live")
            page.locator(".running .loss polyline").first.wait_for(state="attached", timeout=180_000)
            with suppress(PlaywrightTimeout):  # a machine that does much else has no time for glimpses
                page.locator(".running .sample").first.wait_for(timeout=60_000)
            time.sleep(LIVE_SECONDS)
            page.screenshot(path=HERE / "app-live.png")
    finally:
        training.send_signal(signal.SIGTERM)
        training.wait()
        running.should_exit = True
        thread.join(20)


def picture(page, name: str, height: int) -> None:
    """Take a picture of the top of a page."""
    page.wait_for_timeout(500)
    page.screenshot(path=HERE / name, clip={"x": 0, "y": 0, "width": 1440, "height": height}, full_page=True)


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "runs"))
