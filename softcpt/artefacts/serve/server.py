"""Runs the server until it is stopped."""

from __future__ import annotations

import socket

import uvicorn
from fastapi import FastAPI

from softcpt.errors import UserError

LOCAL = ("127.0.0.1", "localhost", "::1")


def open_socket(host: str, port: int) -> socket.socket:
    """A socket that listens; ``port`` 0: any that is free.

    Raises:
        UserError: the port is in use, or the host is not of this machine.
    """
    try:
        if not 0 <= port < 65_536:  # getaddrinfo would take the lower 16 bits
            raise OSError("no such port")
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        opened = socket.socket(family, kind, protocol)
        try:
            # A port whose last server has just ended can be used again.
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            opened.bind(address)
            opened.listen(128)
        except OSError:
            opened.close()
            raise
    except OSError as error:
        raise UserError(
            f"serve: cannot listen on {host}, port {port} ({error}); give another --port (0: any "
            "that is free) or --host"
        ) from error
    return opened


def address_of(opened: socket.socket) -> str:
    """The page's address, for a browser on this machine."""
    host, port = opened.getsockname()[:2]
    everywhere = {"0.0.0.0": "127.0.0.1", "::": "::1"}
    host = everywhere.get(host, host)
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def names_of(host: str) -> frozenset[str]:
    """Names under which a server on ``host`` is reached."""
    if host in LOCAL:
        return frozenset()
    return frozenset(name.lower() for name in (host, socket.gethostname(), socket.getfqdn()))


def run(app: FastAPI, opened: socket.socket) -> None:
    """Answer until Ctrl-C or a signal to end; what is being answered then is finished."""
    config = uvicorn.Config(
        app,
        log_level="warning",
        access_log=False,
        server_header=False,
        ws="none",
        lifespan="off",
        limit_concurrency=128,
        timeout_graceful_shutdown=5,
    )
    uvicorn.Server(config).run(sockets=[opened])
