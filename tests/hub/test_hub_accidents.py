"""What may happen on the way up to the Hub: what passes is tried again, what fails is told in a line."""

import socket
from pathlib import Path
from types import SimpleNamespace

import huggingface_hub
import pytest
from hub_entry import TOKEN, large_files_sent
from hub_server import Accident

from league.errors import UserError
from league.hub.transfer import push, push_if_asked
from league.values import Options

pytest_plugins = "hub_entry"

SERVED = ["api/repos/create", "branch/pretrain", "revision/", "validate-yaml", "preupload/main", "batch", "commit/main"]
BUSY = {"status": 503, "times": 2}


@pytest.mark.parametrize("place", SERVED)
def test_a_server_that_is_busy_twice_is_asked_again(on_hub, stage_a, place):
    on_hub.accidents = [Accident(place, **BUSY)]
    push(stage_a, "club/mine")
    assert on_hub.accidents[0].times == 0 and "record.json" in on_hub.tree("club/mine")


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("place", ["api/repos/create", "PUT /large", "commit/pretrain", "commit/main"])
def test_a_connection_that_drops_midway_is_taken_up_again(on_hub, entry, place, after):
    on_hub.accidents = [Accident(place, after=after)]
    push(entry, "club/mine")
    assert on_hub.accidents[0].times == 0
    assert on_hub.tree("club/mine").keys() >= {"record.json", "model.safetensors", "README.md"}
    again = 1 if "PUT" in place else 0
    assert len(large_files_sent(on_hub)) == 2 + again


def test_the_wait_that_a_server_asks_for_is_kept(on_hub, stage_a):
    on_hub.accidents = [Accident("api/repos/create", status=429, headers={"Retry-After": "7"})]
    push(stage_a, "club/mine")
    assert on_hub.waits == [7]


def test_no_server_is_waited_for_without_end(on_hub, stage_a):
    on_hub.accidents = [Accident("api/repos/create", status=429, headers={"Retry-After": "3600"})]
    with pytest.raises(UserError, match="fewer requests"):
        push(stage_a, "club/mine")
    assert on_hub.waits == []
    on_hub.accidents = [Accident("api/repos/create", status=503, times=10**6)]
    with pytest.raises(UserError, match="503"):
        push(stage_a, "club/mine")
    assert len(on_hub.waits) == 3


def test_a_second_push_goes_on_where_the_first_one_ended(on_hub, entry):
    on_hub.accidents = [Accident("commit/main", status=500, times=10**6)]
    with pytest.raises(UserError, match="500"):
        push(entry, "club/mine")
    sent = len(large_files_sent(on_hub))
    on_hub.accidents = []
    push(entry, "club/mine")
    assert sent == len(large_files_sent(on_hub)) == 2
    requests = len(on_hub.requests)
    push(entry, "club/mine")
    assert not any("/commit/" in path or method == "PUT" for method, path in on_hub.requests[requests:])


GARBAGE = Accident("", status=200, times=10**6, content=b"<html>Sign in to this network</html>")
FAILURES = {
    "refused": ([Accident("", status=401, times=10**6)], "login"),
    "forbidden": ([Accident("", status=403, times=10**6)], "may write"),
    "forbidden to write": ([Accident("preupload", status=403, times=10**6)], "may write"),
    "too large": ([Accident("commit", status=413, times=10**6)], "size"),
    "a page to sign in to the network": ([GARBAGE], "not uploaded"),
    "garbage in a list": ([Accident("preupload", status=200, content=b"[1, 2", times=10**6)], "not uploaded"),
    "garbage of another shape": ([Accident("batch", status=200, content={"objects": 7}, times=10**6)], "Malformed"),
    "no server": (None, "no connection"),
    "offline": ([], "HF_HUB_OFFLINE"),
}


@pytest.mark.parametrize("accident", FAILURES)
def test_an_upload_that_fails_is_told_in_one_line_and_fails_nothing(on_hub, entry, monkeypatch, capfd, accident):
    on_hub.accidents, told = FAILURES[accident]
    if accident == "no server":
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            monkeypatch.setattr(huggingface_hub.constants, "ENDPOINT", f"http://127.0.0.1:{free.getsockname()[1]}")
    elif accident == "offline":
        monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    options = Options(entry="one", push_to_hub=True, hub_model_id="club/mine", hub_private_repo=True)
    push_if_asked(SimpleNamespace(options=options, folder=entry))
    printed = capfd.readouterr()
    lines = [line for line in printed.err.splitlines() if line.startswith("not uploaded")]
    assert len(lines) == 1 and told in lines[0] and "club/mine" in lines[0], printed.err
    assert "uploaded:" not in printed.out and "Traceback" not in printed.err and TOKEN not in printed.err
    assert f"python -m tools.push {entry} --hub_model_id club/mine --hub_private_repo" in lines[0]
    assert not on_hub.tree("club/mine")


@pytest.mark.parametrize("login", ["variable", "file"])
def test_a_token_that_the_server_sends_back_is_hidden(on_hub, entry, monkeypatch, capfd, caplog, login):
    secret = "a-Secret.of/another+kind" if login == "file" else TOKEN
    if login == "file":
        monkeypatch.delenv("HF_TOKEN")
        Path(huggingface_hub.constants.HF_TOKEN_PATH).parent.mkdir()
        Path(huggingface_hub.constants.HF_TOKEN_PATH).write_text(secret)
    echo = {"error": f"bad token {secret}"}
    headers = {"X-Error-Message": f"Bearer {secret} is bad", "X-Request-Id": secret}
    errors = []
    for status in (400, 401, 403, 409, 500):
        for place in ("create", "preupload", "commit"):
            on_hub.accidents = [Accident(place, status=status, times=10**6, content=echo, headers=headers)]
            with pytest.raises(UserError) as error:
                push(entry, f"club/{place}{status}")
            errors.append(error.value)
    warning = {"errors": [], "warnings": [{"message": f"look, {secret}"}]}
    told = {"url": f"{on_hub.url}/club/{secret.replace('/', '')}", "name": "x", "id": "x"}
    on_hub.accidents = [
        Accident("validate-yaml", status=200, times=10**6, content=warning),
        Accident("create", status=200, content=told),
    ]
    on_hub.files |= {f"club/{secret.replace('/', '')}/x": b""}
    try:
        print(push(entry, "club/mine"))
    except UserError as error:
        errors.append(error)
    assert f"Bearer {secret}" in on_hub.tokens
    printed = "".join(capfd.readouterr()) + caplog.text + "".join(map(repr, errors)) + "".join(map(str, errors))
    assert secret not in printed and "***" in printed
    assert all(error.__cause__ is None and error.__suppress_context__ for error in errors)


def test_a_token_that_is_cut_is_not_shown_in_part(on_hub, stage_a):
    for length in range(150, 320, 3):
        on_hub.accidents = [Accident("create", status=400, content={"error": "x" * length + TOKEN})]
        with pytest.raises(UserError) as error:
            push(stage_a, "club/mine")
        assert "hf_" not in str(error.value)


def test_a_server_without_xet_is_told_how_to_be_used(on_hub, stage_a, monkeypatch):
    pytest.importorskip("hf_xet")
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_DISABLE_XET", False)
    with pytest.raises(UserError, match="HF_HUB_DISABLE_XET=1") as error:
        push(stage_a, "club/mine")
    assert TOKEN not in str(error.value) and on_hub.waits == []
