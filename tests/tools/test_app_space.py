"""The command that serves the app, and the Space that it writes."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from app_site import fetch
from conftest import ROOT

from league.errors import UserError
from tools.app import __main__ as app
from tools.app.space import write_space

pytest_plugins = "app_site"
pytest.importorskip("gradio", reason="pip install -r requirements-app.txt")

# The command


def test_help_is_quick_and_needs_no_gradio():
    code = "import sys; sys.modules['gradio'] = None; from tools.app.__main__ import main; main(sys.argv[1:])"
    run = [sys.executable, "-c", code]
    done = subprocess.run([*run, "--help"], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0 and "--space" in done.stdout


def test_what_cannot_be_served_is_told_in_one_line(runs, tmp_path, monkeypatch):
    from tools.app.server import listen

    with listen("127.0.0.1", 0) as taken:
        taken.listen()
        port = str(taken.getsockname()[1])
        for words, why in (
            ([str(tmp_path / "nowhere")], "there is no folder"),
            ([str(runs), "--port", port], "--port"),
            ([str(runs), "--port", "99999"], "--port"),
            ([str(runs), "--entries", "one"], "--space"),
            ([str(runs), "--data_dir", "nowhere"], "--data_dir"),
        ):
            with pytest.raises(UserError, match=why):
                app.main(words)
    monkeypatch.setitem(sys.modules, "gradio", None)
    with pytest.raises(UserError, match="requirements-app.txt"):
        app.main([str(runs)])


def test_a_space_that_cannot_be_written_is_told_in_one_line(runs, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot write .*file/league: "):
        write_space(runs, tmp_path / "file" / "league", [])


# The Space


@pytest.fixture(scope="module")
def space(runs, tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("space") / "league"
    assert f"hf upload YOUR_NAME/league {out} . --repo-type space" in write_space(runs, out, ["one", "two"])
    return out


def test_a_space_holds_all_that_it_needs_and_nothing_of_strangers(space, runs):
    card = (space / "README.md").read_text()
    pins = dict(re.findall(r"^([\w.-]+)==(\S+)$", (space / "requirements.txt").read_text(), re.MULTILINE))
    assert f"sdk: gradio\nsdk_version: {pins['gradio']}\n" in card and "app_file: app.py" in card
    ours = (ROOT / "requirements.txt").read_text() + (ROOT / "requirements-app.txt").read_text()
    assert all(f"{name}=={version}" in ours for name, version in pins.items())
    assert sorted(path.name for path in (space / "entries").iterdir()) == ["one", "two"]
    shown = {path.relative_to(space / "entries" / "one").as_posix() for path in (space / "entries" / "one").rglob("*")}
    assert {"record.json", "translations.txt", "finetune/model.safetensors", "finetune/config.json"} <= shown
    assert not [name for name in shown if name.endswith((".py", ".html")) or name.startswith("pretrain")]
    assert not list(space.rglob("__pycache__"))


@pytest.mark.long
def test_a_space_runs_from_its_folder_alone(space):
    environment = {"PATH": os.environ["PATH"], "HOME": str(space.parent), "GRADIO_SERVER_PORT": "0"}
    environment |= {"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
    running = subprocess.Popen(
        [sys.executable, "app.py"], cwd=space, env=environment, stdout=subprocess.PIPE, text=True
    )
    try:
        address = running.stdout.readline().strip().replace("0.0.0.0", "127.0.0.1")
        assert fetch(address)[0] == 200
        assert "Entry one" in fetch(f"{address}/reports/one")[1]
        status, board = fetch(f"{address}/board/index.html")
        assert status == 200 and "one" in board
    finally:
        running.kill()
        running.wait()


def test_a_space_is_written_anew_but_never_over_something_else(space, runs, tmp_path):
    write_space(runs, space, ["two"])
    assert [path.name for path in (space / "entries").iterdir()] == ["two"]
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(UserError, match="something else"):
        write_space(runs, tmp_path, ["two"])
    with pytest.raises(UserError, match="--entries nobody"):
        write_space(runs, tmp_path / "new", ["nobody"])
    with pytest.raises(UserError, match="damaged"):
        write_space(runs, tmp_path / "new", [])
    assert not (tmp_path / "new").exists() and (tmp_path / "mine.txt").read_text() == "mine"
