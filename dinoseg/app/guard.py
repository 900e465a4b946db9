"""What stands between the page and other programs: requests of other sites are refused, and the page calls nobody."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, TypeAlias
from urllib.parse import urlsplit

Scope: TypeAlias = MutableMapping[str, Any]
Send: TypeAlias = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Application: TypeAlias = Callable[[Scope, Callable[[], Awaitable[Any]], Send], Awaitable[None]]

NAMES = ("127.0.0.1", "localhost")
"""Of this machine, as a browser may spell it; another one is a site that had its name lead here (DNS rebinding)."""
POLICY = "; ".join(
    (
        "default-src 'self'",
        "script-src 'self' 'unsafe-inline' 'unsafe-eval'",
        "style-src 'self' 'unsafe-inline'",
        "img-src 'self' data: blob:",
        "font-src 'self' data:",
        "worker-src 'self' blob:",
        "object-src 'none'",
        "frame-ancestors 'none'",
    )
)
"""A browser that follows it loads nothing from, and sends nothing to, any other place."""
HEADERS = [
    (b"content-security-policy", POLICY.encode()),
    (b"referrer-policy", b"no-referrer"),
    (b"x-content-type-options", b"nosniff"),
]


class Guard:
    """An ASGI application around another one."""

    def __init__(self, app: Application) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Callable[[], Awaitable[Any]], send: Send) -> None:
        """Answer 403 to what comes from elsewhere, and let the rest through."""
        if scope["type"] not in ("http", "websocket"):  # starting and stopping
            await self.app(scope, receive, send)
        elif own(dict(scope["headers"])):
            await self.app(scope, receive, guarded(send))
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
        else:
            await guarded(send)({"type": "http.response.start", "status": 403, "headers": []})
            await send({"type": "http.response.body", "body": b"This page is for the machine that it runs on."})


def own(headers: MutableMapping[bytes, bytes]) -> bool:
    """Whether a request names this machine, and was sent by the page itself or by no page."""
    host, origin = (headers.get(name, b"").decode("latin-1") for name in (b"host", b"origin"))
    return urlsplit(f"//{host}").hostname in NAMES and (not origin or urlsplit(origin).netloc == host)


def guarded(send: Send) -> Send:
    """The same with ``HEADERS`` on every answer."""

    async def with_headers(message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            message = {**message, "headers": [*message["headers"], *HEADERS]}
        await send(message)

    return with_headers
