"""Make this folder's pictures of pages again, in a browser, from entries that it plays on the demo league.

    python docs/images/make.py
    python docs/images/make.py FOLDER

The entries are played in FOLDER/runs, or in a folder that goes again; what is complete in a FOLDER is not played again.
tune-report.png shows a made-up search, of which the truth is known (tests/studies.py): a real one takes an hour. The
picture of the live page trains one more entry for a while. tune-rivals.png has the curves that
`python -m benchmarks tuning` leaves in .cache/bench/tuning.png.
"""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]
HERE = Path(__file__).resolve().parent
RATES = {"demo": None, "gentle": 1e-5, "hot": 1e-3}  # of the entries' fine-tunes; None is the start value
LIVE = ["--entry", "bold", "--pretrained", "demo", "--learning_rate", "3e-4", "--game", "spring"]
LIVE_SECONDS = 20.0  # of training after the first glimpse, before its picture is taken


def main(folder: Path) -> None:
    from app_site import serving
    from browser import browsing

    play(folder)
    with tempfile.TemporaryDirectory() as made:
        shutil.copytree(folder / "runs", Path(made) / "runs", ignore=shutil.ignore_patterns(".games", "under_way"))
        os.chdir(made)
        pages = pages_of(Path(made))
        with browsing(width=1440, height=1000) as page:
            for name, height in (("entry-report", 1180), ("board", 900), ("tune-report", 1850)):
                page.goto(pages[name])
                page.wait_for_timeout(500)
                clip = {"x": 0, "y": 0, "width": 1440, "height": height}
                page.screenshot(path=HERE / f"{name}.png", clip=clip, full_page=True)
                if name == "entry-report":
                    page.locator("#attention").screenshot(path=HERE / "attention.png")
        with serving(Path("runs")) as address:
            of_the_app(address)


def play(folder: Path) -> None:
    """Play the entries that the pictures show, those that are not complete yet."""
    for entry, rate in RATES.items():
        if rate is None:
            script(folder, "train_pretrain", "--entry", entry)
        flags = [] if rate is None else ["--pretrained", "demo", "--learning_rate", f"{rate:g}"]
        script(folder, "train_finetune", "--entry", entry, *flags)
        script(folder, "evaluate_bleu", "--entry", entry)


def script(folder: Path, name: str, *flags: str) -> None:
    words = [sys.executable, str(ROOT / f"{name}.py"), "--league", "demo", *flags]
    subprocess.run(words, cwd=folder, check=True, stdout=subprocess.DEVNULL)


def pages_of(folder: Path) -> dict[str, str]:
    """Write the pages that are files; return their addresses by their pictures."""
    from studies import study_of

    from league.report.write import write_entry_report
    from tools.board import build, write
    from tools.tune.report import write_report

    runs, board, search = folder / "runs", folder / "board", folder / "search"
    search.mkdir()
    write(build(runs), board, reports=0)
    write_entry_report(runs / "gentle")
    pages = {"entry-report": runs / "gentle" / "report.html", "board": board / "index.html"}
    pages["tune-report"] = write_report(study_of(24, 9, state="done", commands=[]), search)
    return {name: path.as_uri() for name, path in pages.items()}


def of_the_app(address: str) -> None:
    """Take the pictures of the app, while one more entry trains."""
    from browser import browsing
    from playwright.sync_api import TimeoutError as PlaywrightTimeout

    with browsing(width=390, height=844, device_scale_factor=2) as page:
        page.goto(f"{address}/translate?entry=gentle")
        page.locator(".translation").wait_for(timeout=120_000)
        page.wait_for_timeout(1000)
        page.screenshot(path=HERE / "app-translate-phone.png")
    words = [sys.executable, str(ROOT / "train_finetune.py"), "--league", "demo", *LIVE]
    training = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
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


if __name__ == "__main__":
    if len(sys.argv) > 1:
        main(Path(sys.argv[1]).resolve())
    else:
        with tempfile.TemporaryDirectory() as made:
            main(Path(made))
