"""An application on a port of this machine, asked as any program would ask it."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import uvicorn

from softcpt.artefacts.serve.server import address_of, open_socket


@contextmanager
def served(app: Any) -> Iterator[httpx.Client]:
    """A client of ``app``, which runs in a thread."""
    with open_socket("127.0.0.1", 0) as opened:
        config = uvicorn.Config(app, log_level="error", lifespan="off", ws="none")
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [opened]})
        thread.start()
        try:
            # Whole answers of a busy machine may take long.
            with httpx.Client(base_url=address_of(opened), trust_env=False, timeout=120) as client:
                yield client
        finally:
            server.should_exit = True
            thread.join()


def half_sent(client: httpx.Client, body_bytes: int, sent: int, head: bytes) -> socket.socket:
    """A connection on which a form of ``body_bytes`` was announced, and ``head`` and zeros were
    sent: ``sent`` bytes in all."""
    url = client.base_url
    connection = socket.create_connection((url.host, url.port), timeout=60)
    connection.sendall(
        b"POST /predict HTTP/1.1\r\nHost: 127.0.0.1\r\n"
        b"Content-Type: multipart/form-data; boundary=x\r\n"
        b"Content-Length: %d\r\n\r\n" % body_bytes + head
    )
    zeros, left = bytes(65_536), sent - len(head)
    while left > 0:
        left -= connection.send(zeros[: min(left, len(zeros))])
    return connection


def read_until(connection: socket.socket, wanted: bytes, seconds: float = 60) -> bytes:
    """What comes, up to ``wanted``."""
    found, end = b"", time.monotonic() + seconds
    while wanted not in found and time.monotonic() < end:
        chunk = connection.recv(65_536)
        if not chunk:
            break
        found += chunk
    return found
