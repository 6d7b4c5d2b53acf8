"""Keeps other web sites out, and tells browsers what the page may do.

A page of another site can make a browser send requests to this machine. A server that answers to
any name can even be read by it: its name is made to lead here ("DNS rebinding"). So only names
of this machine are answered, and of requests that a page sends only those of our own page.
"""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

HEADERS = {
    "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
    "img-src 'self' blob:; connect-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "cache-control": "no-cache",
}


class Guard:
    """Middleware.

    Args:
        app: what it stands in front of.
        names: host names that are answered to; "localhost" and numeric addresses always are.
    """

    def __init__(self, app: ASGIApp, names: frozenset[str]) -> None:
        self.app, self.names = app, names | {"localhost"}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or pass the request on."""
        if scope["type"] != "http":
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(HEADERS)
            await send(message)

        wrong = self._wrong(Headers(scope=scope))
        answer = JSONResponse({"error": wrong}, 403) if wrong else self.app
        await answer(scope, receive, send_with_headers)

    def _wrong(self, headers: Headers) -> str:
        host = headers.get("host", "")
        if not self._is_ours(host):
            return f"host '{host[:100]}': not a name of this server; give it as --host to allow it"
        origin = headers.get("origin")
        if origin is not None and urlsplit(origin).netloc != host:
            return f"a page of {origin[:100]} may not use this server"
        return ""

    def _is_ours(self, host: str) -> bool:
        try:
            name = urlsplit(f"//{host}").hostname or ""
        except ValueError:
            return False
        try:
            ipaddress.ip_address(name)
        except ValueError:
            return name in self.names
        return True  # no name leads here: nothing to rebind
