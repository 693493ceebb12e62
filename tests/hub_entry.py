"""An entry that is ready for the Hub, and a Hub on this machine to take it."""

import json
import shutil
import time
from types import SimpleNamespace

import huggingface_hub
import play  # noqa: F401  (the tiny league)
import pytest
from hub_server import serving

from league.record.shape import read_record

TOKEN = "hf_aSecretThatMustNotBeSeen"


@pytest.fixture
def hub():
    with serving() as server:
        yield server


@pytest.fixture
def entry(played, tmp_path):
    """An entry with both stages, a score, pictures, and files that are nobody's business."""
    folder = tmp_path / "runs" / "one"
    shutil.copytree(played / "runs" / "one", folder)
    shutil.rmtree(folder / "plots", ignore_errors=True)
    (folder / "plots").mkdir()
    (folder / "plots" / "learning_curves.png").write_bytes(b"a picture")
    (folder / "report.html").write_text("<html>a report</html>")
    for junk in ("notes.txt", ".DS_Store", "finetune/optimizer.pt", "plots/notes.txt"):
        (folder / junk).write_text("not for the Hub")
    (folder / "plots" / "link.png").symlink_to("/etc/hostname")
    return folder


@pytest.fixture
def stage_a(entry):
    """Leave of the entry what it is after its first stage."""
    record = json.loads((entry / "record.json").read_text())
    del record["stages"]["finetune"], record["score"]
    (entry / "record.json").write_text(json.dumps(record | {"official": False}))
    shutil.rmtree(entry / "finetune")
    shutil.rmtree(entry / "plots")
    for name in ("report.html", "translations.txt"):
        (entry / name).unlink(missing_ok=True)
    return entry


@pytest.fixture
def record(played):
    return read_record(played / "runs" / "one" / "record.json")


@pytest.fixture
def on_hub(hub, monkeypatch, tmp_path):
    constants = huggingface_hub.constants
    template = constants.HUGGINGFACE_CO_URL_TEMPLATE.replace(constants.ENDPOINT, hub.url)
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
    monkeypatch.setattr(constants, "ENDPOINT", hub.url)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)  # plain HTTP for the large files
    monkeypatch.setattr(constants, "HF_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "home" / "token"))
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    monkeypatch.setattr("league.hub.connection.WAITS", (0, 0, 0))
    waits = []
    clock = SimpleNamespace(sleep=waits.append, time=time.time, monotonic=time.monotonic)
    monkeypatch.setattr("league.hub.connection.time", clock)
    monkeypatch.setattr("huggingface_hub.utils._http.time", clock)
    hub.waits = waits
    return hub


def large_files_sent(hub):
    return [path for method, path in hub.requests if method == "PUT"]


def files_of(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.suffix != ".pt"}
