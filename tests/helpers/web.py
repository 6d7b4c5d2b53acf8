"""A web server that misbehaves as told."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Server(ThreadingHTTPServer):
    """Serves ``content`` (one body under any path, or a body per path) and keeps a list of the
    ranges asked for.

    Attributes:
        drops: so many answers break off half-way.
        errors: status codes of the next answers.
        ranges_served: "yes", "no" (always everything), or "wrong" (the beginning, whatever was
            asked for).
        etag: of everything served; "" for none.
        kind: content type.
    """

    def __init__(self, content: bytes | Mapping[str, bytes]):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.content, self.ranges, self.drops = content, [], 0
        self.errors: list[int] = []
        self.ranges_served, self.etag, self.kind = "yes", "", "application/octet-stream"

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def body(self, path: str) -> bytes | None:
        return (
            self.content if isinstance(self.content, bytes) else self.content.get(path.lstrip("/"))
        )


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        server, wanted = self.server, self.headers.get("Range")
        server.ranges.append(wanted)
        whole = server.body(self.path)
        if server.errors:
            return self.send_error(server.errors.pop(0))
        if whole is None:
            return self.send_error(404)
        unchanged = self.headers.get("If-Range", server.etag) == server.etag
        partial = wanted is not None and unchanged and server.ranges_served != "no"
        first, _, last = (wanted or "").removeprefix("bytes=").partition("-")
        start = int(first) if partial else 0
        if start >= len(whole):
            self.send_response(416)
            self.send_header("Content-Range", f"bytes */{len(whole)}")
            self.send_header("Content-Length", "0")
            return self.end_headers()
        start = 0 if server.ranges_served == "wrong" else start
        end = min(int(last) + 1, len(whole)) if partial and last else len(whole)
        return self._answer(whole, start, end, partial)

    def _answer(self, whole: bytes, start: int, end: int, partial: bool) -> None:
        server, body = self.server, whole[start:end]
        self.send_response(206 if partial else 200)
        if partial:
            self.send_header("Content-Range", f"bytes {start}-{end - 1}/{len(whole)}")
        if server.etag:
            self.send_header("ETag", server.etag)
        self.send_header("Content-Type", server.kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if server.drops:
            server.drops -= 1
            body = body[: len(body) // 2]
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass

    def handle(self) -> None:
        with suppress(ConnectionError):  # who asked was killed, or has read enough
            super().handle()


@contextmanager
def serving(content: bytes | Mapping[str, bytes], monkeypatch) -> Iterator[Server]:
    """A running :class:`Server`, reached past any proxy and without pauses between attempts."""
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setattr("softcpt.utils.download._PAUSE", 0.0)
    with Server(content) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
