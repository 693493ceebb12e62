"""A Hub on the loopback: what `huggingface_hub` asks for when it downloads and uploads, and no more."""

import base64
import hashlib
import json
import re
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit


@dataclass
class Accident:
    """What befalls the next requests whose "METHOD /path" holds a pattern: a status, or the line goes dead."""

    pattern: str
    status: int = 0  # 0: the connection drops, when half of the body is read
    times: int = 1
    content: dict | bytes = field(default_factory=lambda: {"error": "the loopback Hub was told to fail"})
    headers: dict[str, str] = field(default_factory=dict)
    after: bool = False  # once the request was served: only its answer is lost


class Hub(ThreadingHTTPServer):
    """`files` maps "[datasets/]OWNER/NAME[@BRANCH]/PATH" to contents; `status` makes every answer a failure."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.files: dict[str, bytes] = {}
        self.status = 0
        self.accidents: list[Accident] = []
        self.private: set[str] = set()
        self.repositories: set[str] = set()
        self.read_only: set[str] = set()  # but for pull requests
        self.new_are_private = False
        self.uploads: dict[str, bytes] = {}  # large files by sha256, until a commit names them
        self.requests: list[tuple[str, str]] = []
        self.asked: list[str] = []  # the bodies of what was to be created
        self.revisions: set[str] = set()
        self.commits: dict[str, dict[str, bytes]] = {}
        self.pinned: set[str] = set()  # commits that somebody asks for by name, with the files of `main`
        self.tokens: set[str] = set()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def tree(self, repo: str, revision: str = "main") -> dict[str, bytes]:
        """Return the files of a repository by their path."""
        if revision in self.commits:
            return self.commits[revision]
        # The Hub's own copy of a dataset as parquet needs no files of its own here.
        is_main = revision in {"main", "refs/convert/parquet", *self.pinned}
        start = f"{repo}/" if is_main else f"{repo}@{revision}/"
        return {name.removeprefix(start): content for name, content in self.files.items() if name.startswith(start)}

    def commit_of(self, repo: str, revision: str) -> str:
        if revision in {*self.commits, *self.pinned}:
            return revision
        tree = self.tree(repo, revision)
        names = sorted((name, hashlib.sha1(content).hexdigest()) for name, content in tree.items())
        commit = hashlib.sha1(repr((repo, names)).encode()).hexdigest()
        self.commits[commit] = tree
        return commit

    def exists(self, repo: str, revision: str = "main") -> bool:
        known = revision in self.commits or any(self.tree(repo, revision))
        return known or (revision == "main" and repo in self.repositories)


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
        path = urlsplit(self.path).path
        self.query = parse_qs(urlsplit(self.path).query)
        self.server.requests.append((self.command, path))
        self.server.tokens.add(self.headers.get("Authorization", ""))
        accident = self.next_accident(path)
        size = int(self.headers.get("Content-Length", 0))
        if accident and accident.status == 0 and not accident.after:
            self.rfile.read(size // 2)
            return self.hang_up()
        body = self.rfile.read(size)
        if accident and not accident.after:
            return self.send(accident.status, accident.content, **accident.headers)
        if self.server.status:
            return self.send(self.server.status, {"error": "the loopback Hub was told to fail"})
        self.is_mute = bool(accident)
        for method, pattern, handle in ROUTES:
            if method == self.command.replace("HEAD", "GET") and (match := re.fullmatch(pattern, path)):
                return handle(self, *(unquote(group) for group in match.groups()), body)
        self.send(404, {"error": f"no route for {self.command} {path}"})

    do_GET = do_HEAD = do_POST = do_PUT = answer

    def next_accident(self, path: str) -> Accident | None:
        for accident in self.server.accidents:
            if accident.times > 0 and re.search(accident.pattern, f"{self.command} {path}"):
                accident.times -= 1
                return accident
        return None

    def hang_up(self):
        self.close_connection = True
        self.connection.close()

    def send(self, status: int, content, **headers):
        if getattr(self, "is_mute", False):
            return self.hang_up()
        if not isinstance(content, bytes):
            content = json.dumps(content).encode()
            headers["Content-Type"] = "application/json"
        self.send_response(status)
        for name, value in {**headers, "Content-Length": len(content)}.items():
            self.send_header(name.replace("_", "-"), str(value))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def may_write(self, repo) -> bool:
        if repo not in self.server.read_only or "create_pr" in self.query:
            return True
        self.send(403, {"error": "you have no right to write here"})
        return False

    def get_file(self, repo, revision, path, body):
        self.server.revisions.add(revision)
        content, commit = self.server.tree(repo, revision).get(path), self.server.commit_of(repo, revision)
        if content is None:
            return self.send(404, {"error": "Entry not found"}, X_Error_Code="EntryNotFound", X_Repo_Commit=commit)
        digest = _digest(path, content)
        first = int((re.match(r"bytes=(\d+)-", self.headers.get("Range", "")) or [0, 0])[1])
        self.send(206 if first else 200, content[first:], ETag=f'"{digest}"', X_Repo_Commit=commit)

    def list_files(self, kind, repo, revision, body):
        repo = _named(kind, repo)
        self.send(200, [_described(*file) for file in self.server.tree(repo, revision).items()])

    def describe(self, kind, repo, body):
        self.describe_revision(kind, repo, "main", body)

    def describe_revision(self, kind, repo, revision, body):
        repo = _named(kind, repo)
        if not self.server.exists(repo):
            return self.send(404, {"error": "Repository not found"}, X_Error_Code="RepoNotFound")
        if not self.server.exists(repo, revision):
            return self.send(404, {"error": "Revision not found"}, X_Error_Code="RevisionNotFound")
        tree = self.server.tree(repo, revision)
        siblings = [{"rfilename": name, "size": len(content)} for name, content in tree.items()]
        told = {"id": repo.removeprefix("datasets/"), "sha": self.server.commit_of(repo, revision)}
        self.send(200, told | {"private": repo in self.server.private, "siblings": siblings})

    def describe_paths(self, kind, repo, revision, body):
        tree = self.server.tree(_named(kind, repo), revision)
        wanted = [name for name in parse_qs(body.decode()).get("paths", []) if name in tree]
        self.send(200, [_described(name, tree[name]) for name in wanted])

    def create(self, body):
        asked = json.loads(body)
        self.server.asked.append(body.decode())
        kind = "datasets/" if asked.get("type") == "dataset" else ""
        name = f"{kind}{asked.get('organization') or 'club'}/{asked['name']}"
        told = {"url": f"{self.server.url}/{name}", "name": name, "id": name}
        if self.server.exists(name):
            return self.send(409, told | {"error": "You already created this repo"})
        self.server.repositories.add(name)
        if asked.get("visibility") == "private" or ("visibility" not in asked and self.server.new_are_private):
            self.server.private.add(name)
        self.send(200, told)

    def create_branch(self, kind, repo, branch, body):
        repo = _named(kind, repo)
        if self.server.exists(repo, branch):
            return self.send(409, {"error": "Reference already exists"})
        copied = {f"{repo}@{branch}/{name}": content for name, content in self.server.tree(repo).items()}
        self.server.files |= copied or {f"{repo}@{branch}/.gitattributes": b""}
        self.send(200, {})

    def check_card(self, body):
        self.send(200, {"errors": [], "warnings": []})

    def choose_mode(self, kind, repo, revision, body):
        repo = _named(kind, repo)
        if not self.may_write(repo):
            return
        tree, files = self.server.tree(repo, revision), []
        for file in json.loads(body)["files"]:
            is_large = _is_large(file["path"])
            there = tree.get(file["path"])
            digest = None if there is None else _digest(file["path"], there)
            mode = {"uploadMode": "lfs" if is_large else "regular", "shouldIgnore": False}
            files.append({"path": file["path"], "oid": digest, **mode})
        self.send(200, {"files": files, "commitOid": self.server.commit_of(repo, revision)})

    def accept_large_files(self, repo, body):
        objects = [
            item
            if item["oid"] in self.server.uploads
            else {**item, "actions": {"upload": {"href": f"{self.server.url}/large/{item['oid']}"}}}
            for item in json.loads(body)["objects"]
        ]
        self.send(200, {"transfer": "basic", "objects": objects})

    def store_large_file(self, oid, body):
        if hashlib.sha256(body).hexdigest() != oid:
            return self.send(400, b"")
        self.server.uploads[oid] = body
        self.send(200, b"")

    def commit(self, kind, repo, revision, body):
        repo = _named(kind, repo)
        if not self.may_write(repo):
            return
        is_request = "create_pr" in self.query
        branch = "refs/pr/1" if is_request else revision
        start = f"{repo}/" if branch == "main" else f"{repo}@{branch}/"
        lines = [json.loads(line) for line in body.splitlines()]
        seen = lines[0]["value"].get("parentCommit")
        if seen not in (None, self.server.commit_of(repo, branch)):
            return self.send(412, {"error": "A commit has happened since"})
        for line in lines:
            value = line["value"]
            if line["key"] == "file":
                self.server.files[start + value["path"]] = base64.b64decode(value["content"])
            elif line["key"] == "lfsFile":
                self.server.files[start + value["path"]] = self.server.uploads[value["oid"]]
            elif line["key"] == "deletedFile":
                del self.server.files[start + value["path"]]
        commit = self.server.commit_of(repo, branch)
        told = {"success": True, "commitOid": commit, "commitUrl": f"{self.server.url}/{repo}/commit/{commit}"}
        self.send(200, told | {"hookOutput": "", "pullRequestUrl": f"{self.server.url}/{repo}/discussions/1"})


def _named(kind: str, repo: str) -> str:
    return f"datasets/{repo}" if kind == "datasets" else repo


def _is_large(name: str) -> bool:
    return name.endswith(".safetensors")


def _digest(name: str, content: bytes) -> str:
    if _is_large(name):
        return hashlib.sha256(content).hexdigest()
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


def _described(name: str, content: bytes) -> dict:
    digest, size = _digest(name, content), len(content)
    large = {"lfs": {"oid": digest, "size": size, "pointerSize": 130}} if _is_large(name) else {}
    return {"type": "file", "path": name, "size": size, "oid": digest[:40]} | large


REPO = r"/api/(models|datasets)/([^/]+/[^/]+)"
ROUTES = [
    ("GET", r"/((?:datasets/)?[^/]+/[^/]+)/resolve/([^/]+)/(.+)", Handler.get_file),
    ("GET", REPO, Handler.describe),
    ("GET", REPO + r"/revision/([^/]+)", Handler.describe_revision),
    ("GET", REPO + r"/tree/([^/]+)", Handler.list_files),
    ("POST", REPO + r"/paths-info/([^/]+)", Handler.describe_paths),
    ("POST", REPO + r"/branch/([^/]+)", Handler.create_branch),
    ("POST", REPO + r"/preupload/([^/]+)", Handler.choose_mode),
    ("POST", REPO + r"/commit/([^/]+)", Handler.commit),
    ("POST", r"/api/repos/create", Handler.create),
    ("POST", r"/api/validate-yaml", Handler.check_card),
    ("POST", r"/((?:datasets/)?[^/]+/[^/]+)\.git/info/lfs/objects/batch", Handler.accept_large_files),
    ("PUT", r"/large/(.+)", Handler.store_large_file),
]
