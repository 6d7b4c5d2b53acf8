"""A server that speaks what huggingface_hub needs to make a repository, commit files and get them
back."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Hub(ThreadingHTTPServer):
    """Repositories in memory.

    Attributes:
        repositories: name -> the commits, each all files by path.
        private: names of private ones.
        token: that a user must send to write.
        messages: of the commits.
    """

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.repositories: dict[str, list[dict[str, bytes]]] = {}
        self.private: set[str] = set()
        self.messages: list[str] = []
        self.token = "secret"

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


def commit_of(number: int) -> str:
    """The hexadecimal name of a repository's commit."""
    return hashlib.sha1(str(number).encode()).hexdigest()


def blob_of(content: bytes) -> str:
    """Git's name of a file's contents."""
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        hub: Hub = self.server
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.headers.get("Authorization") != f"Bearer {hub.token}":
            return self.answer({"error": "Invalid username or password."}, 401)
        if self.path == "/api/repos/create":
            return self.create(json.loads(body))
        if self.path == "/api/validate-yaml":
            return self.answer({"errors": [], "warnings": []})
        found = re.fullmatch(r"/api/models/([^/]+/[^/]+)/(preupload|commit)/main", self.path)
        if not found:
            return self.answer({"error": "not here"}, 404)
        if found[2] == "preupload":
            files = [
                {"path": f["path"], "uploadMode": "regular", "shouldIgnore": False}
                for f in json.loads(body)["files"]
            ]
            return self.answer({"files": files})
        return self.commit(found[1], [json.loads(line) for line in body.splitlines()])

    def create(self, wanted: dict) -> None:
        hub: Hub = self.server
        name = f"{wanted.get('organization') or 'someone'}/{wanted['name']}"
        if name in hub.repositories:
            return self.answer({"error": "it exists", "url": f"{hub.url}/{name}"}, 409)
        hub.repositories[name] = [{}]
        if wanted.get("private") or wanted.get("visibility") == "private":
            hub.private.add(name)
        return self.answer({"url": f"{hub.url}/{name}", "name": name})

    def commit(self, name: str, lines: list[dict]) -> None:
        hub: Hub = self.server
        files = dict(hub.repositories[name][-1])
        for line in lines:
            if line["key"] == "header":
                hub.messages.append(line["value"]["summary"])
            elif line["key"] == "file":
                files[line["value"]["path"]] = base64.b64decode(line["value"]["content"])
        hub.repositories[name].append(files)
        oid = commit_of(len(hub.repositories[name]) - 1)
        return self.answer({"commitUrl": f"{hub.url}/{name}/commit/{oid}", "commitOid": oid})

    def do_GET(self) -> None:
        hub: Hub = self.server
        path = self.path.partition("?")[0]
        api = re.fullmatch(r"/api/models/([^/]+/[^/]+)(?:/(?:revision|tree)/([^/]+))?", path)
        file = re.fullmatch(r"/([^/]+/[^/]+)/resolve/([^/]+)/(.+)", path)
        name, revision = (api or file or {1: "", 2: ""})[1], (api or file or {1: "", 2: ""})[2]
        number = self.number(name, revision)
        if number is None:
            code = "RevisionNotFound" if name in hub.repositories else "RepoNotFound"
            return self.answer({"error": "not found"}, 404, {"X-Error-Code": code})
        if api and "/tree/" in path:
            return self.answer(
                [
                    {"type": "file", "path": path, "size": len(content), "oid": blob_of(content)}
                    for path, content in hub.repositories[name][number].items()
                ]
            )
        if api:
            names = [{"rfilename": path} for path in hub.repositories[name][number]]
            sha = commit_of(number)
            return self.answer({"id": name, "modelId": name, "sha": sha, "siblings": names})
        content = hub.repositories[name][number].get(file[3])
        if content is None:
            return self.answer({"error": "no file"}, 404, {"X-Error-Code": "EntryNotFound"})
        headers = {
            "ETag": f'"{blob_of(content)}"',
            "X-Repo-Commit": commit_of(number),
            "Content-Length": str(len(content)),
        }
        return self.send(content, 200, headers)

    do_HEAD = do_GET  # noqa: N815 - http.server calls it so

    def number(self, name: str, revision: str | None) -> int | None:
        """Of the commit that a revision names; None: there is none."""
        hub: Hub = self.server
        if name not in hub.repositories:
            return None
        count = len(hub.repositories[name])
        if revision in (None, "main"):
            return count - 1
        return next((at for at in range(count) if commit_of(at) == revision), None)

    def answer(self, value: object, status: int = 200, headers: dict | None = None) -> None:
        content = json.dumps(value).encode()
        more = {"Content-Type": "application/json", "Content-Length": str(len(content))}
        self.send(content, status, {**more, **(headers or {})})

    def send(self, content: bytes, status: int, headers: dict) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def hub_server(monkeypatch, cache: object) -> Iterator[Hub]:
    """A running :class:`Hub` that huggingface_hub takes for the only one, with a cache of its own
    and the user's token."""
    with Hub() as server:
        for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "all_proxy"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", server.url)
        monkeypatch.setattr(
            "huggingface_hub.constants.HUGGINGFACE_CO_URL_TEMPLATE",
            server.url + "/{repo_id}/resolve/{revision}/{filename}",
        )
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(cache))
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
        monkeypatch.setenv("HF_TOKEN", server.token)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
