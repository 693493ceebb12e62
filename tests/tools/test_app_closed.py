"""What the app does not let anybody do."""

import json
import urllib.error
import urllib.request

import pytest
from app_site import fetch

pytest_plugins = "app_site"
pytest.importorskip("gradio", reason="pip install -r requirements-app.txt")


@pytest.mark.parametrize(
    "path",
    [
        "reports/..%2f..%2fruns%2fone",
        "reports/%2e%2e",
        "reports/nobody",
        "board/..%2f..%2f..%2fetc%2fpasswd",
        "board/%2e%2e/reports",
        "board/nothing.js",
        "gradio_api/file=/etc/passwd",
        "gradio_api/file=runs/one/record.json",
        "gradio_api/proxy=https://example.org",
        "gradio_api/run-history/buckets",
        "gradio_api/runs",
        "board/%00.js",
        "board//etc/passwd",
        "docs",
    ],
)
def test_no_path_leads_out_of_what_is_shown(site, path):
    status, text = fetch(f"{site}/{path}")
    assert status == 404 and "root:" not in text


def test_nothing_can_be_uploaded_and_two_doors_alone_have_names(site):
    for door in ("upload", "process_recording", "run-history/connect"):
        request = urllib.request.Request(f"{site}/gradio_api/{door}", b"x", method="POST")
        with pytest.raises(urllib.error.HTTPError, match="404"):
            urllib.request.urlopen(request, timeout=60)
    doors = json.loads(fetch(f"{site}/gradio_api/info")[1])
    assert set(doors["named_endpoints"]) == {"/models", "/predict"} and doors["unnamed_endpoints"] == {}
    assert fetch(f"{site}/history.jsonl")[0] == fetch(f"{site}/history")[0] == 404, "off unless it is asked for"


def test_the_pages_do_not_tell_where_they_lie(site, runs):
    for page in ("", "translate", "report", "live"):
        assert str(runs.parent) not in fetch(f"{site}/{page}")[1]


def test_framed_pages_are_sealed_by_their_headers(site):
    with urllib.request.urlopen(f"{site}/reports/one", timeout=60) as answer:
        policy = answer.headers["Content-Security-Policy"]
    assert policy.startswith("sandbox ") and "allow-same-origin" not in policy and "default-src 'none'" in policy
