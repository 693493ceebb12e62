"""A Hub on the loopback: what `huggingface_hub` asks for when it downloads and uploads, and no more."""

import base64
import hashlib
import json
import re
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit

COMMIT = "0" * 39 + "1"


class Hub(ThreadingHTTPServer):
    """`files` maps "[datasets/]OWNER/NAME/PATH" to contents; `status` makes every answer a failure."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.files: dict[str, bytes] = {}
        self.status = 0
        self.uploads: dict[str, bytes] = {}  # large files by sha256, until a commit names them
        self.requests: list[tuple[str, str]] = []
        self.revisions: set[str] = set()
        self.tokens: set[str] = set()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


@contextmanager
def serving():
    hub = Hub()
    threading.Thread(target=hub.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    try:
        yield hub
    finally:
        hub.shutdown()
        hub.server_close()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Hub

    def log_message(self, *args):
        pass

    def answer(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        path = urlsplit(self.path).path
        self.server.requests.append((self.command, path))
        self.server.tokens.add(self.headers.get("Authorization", ""))
        if self.server.status:
            return self.send(self.server.status, {"error": "the loopback Hub was told to fail"})
        for method, pattern, handle in ROUTES:
            if method == self.command.replace("HEAD", "GET") and (match := re.fullmatch(pattern, path)):
                return handle(self, *(unquote(group) for group in match.groups()), body)
        self.send(404, {"error": f"no route for {self.command} {path}"})

    do_GET = do_HEAD = do_POST = do_PUT = answer

    def send(self, status: int, content, **headers):
        if not isinstance(content, bytes):
            content = json.dumps(content).encode()
            headers["Content-Type"] = "application/json"
        self.send_response(status)
        for name, value in {**headers, "Content-Length": len(content)}.items():
            self.send_header(name.replace("_", "-"), str(value))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def get_file(self, repo, revision, path, body):
        content = self.server.files.get(f"{repo}/{path}")
        self.server.revisions.add(revision)
        if content is None:
            return self.send(404, {"error": "Entry not found"}, X_Error_Code="EntryNotFound", X_Repo_Commit=COMMIT)
        self.send(200, content, ETag=f'"{hashlib.sha256(content).hexdigest()}"', X_Repo_Commit=COMMIT)

    def list_files(self, repo, body):
        names = [name.removeprefix(f"{repo}/") for name in self.server.files if name.startswith(f"{repo}/")]
        self.send(200, [{"type": "file", "path": name, "size": 1, "oid": "0" * 40} for name in names])

    def create(self, body):
        asked = json.loads(body)
        name = f"{asked.get('organization') or 'club'}/{asked['name']}"
        self.send(200, {"url": f"{self.server.url}/{name}", "name": name, "id": name})

    def check_card(self, body):
        self.send(200, {"errors": [], "warnings": []})

    def choose_mode(self, repo, body):
        files = [
            {
                "path": file["path"],
                "shouldIgnore": False,
                "uploadMode": "lfs" if "safetensors" in file["path"] else "regular",
            }
            for file in json.loads(body)["files"]
        ]
        self.send(200, {"files": files, "commitOid": COMMIT})

    def accept_large_files(self, repo, body):
        objects = [
            {**item, "actions": {"upload": {"href": f"{self.server.url}/large/{item['oid']}"}}}
            for item in json.loads(body)["objects"]
        ]
        self.send(200, {"transfer": "basic", "objects": objects})

    def store_large_file(self, oid, body):
        self.server.uploads[oid] = body
        self.send(200 if hashlib.sha256(body).hexdigest() == oid else 400, b"")

    def commit(self, repo, body):
        for line in map(json.loads, body.splitlines()):
            value = line["value"]
            if line["key"] == "file":
                self.server.files[f"{repo}/{value['path']}"] = base64.b64decode(value["content"])
            elif line["key"] == "lfsFile":
                self.server.files[f"{repo}/{value['path']}"] = self.server.uploads[value["oid"]]
        url = f"{self.server.url}/{repo}/commit/{COMMIT}"
        self.send(200, {"success": True, "commitOid": COMMIT, "commitUrl": url, "hookOutput": ""})


ROUTES = [
    ("GET", r"/((?:datasets/)?[^/]+/[^/]+)/resolve/([^/]+)/(.+)", Handler.get_file),
    ("GET", r"/api/models/([^/]+/[^/]+)/tree/[^/]+", Handler.list_files),
    ("POST", r"/api/repos/create", Handler.create),
    ("POST", r"/api/validate-yaml", Handler.check_card),
    ("POST", r"/api/models/([^/]+/[^/]+)/preupload/main", Handler.choose_mode),
    ("POST", r"/([^/]+/[^/]+)\.git/info/lfs/objects/batch", Handler.accept_large_files),
    ("PUT", r"/large/(.+)", Handler.store_large_file),
    ("POST", r"/api/models/([^/]+/[^/]+)/commit/main", Handler.commit),
]
