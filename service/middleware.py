"""Around every request: an id, a key, a clock, a log line, a count."""

from __future__ import annotations

import re
import time
from uuid import uuid4

import structlog
from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from chartreward import tracing
from service import counters
from service.auth import authenticate
from service.problems import ProblemError, response
from service.settings import ServiceSettings

log = structlog.get_logger("service.access")

ACCEPTED_ID = re.compile(r"^[\x21-\x7e]{1,128}$")


class Surroundings:
    """ASGI middleware; sets `request.state.request_id` and `request.state.owner`."""

    def __init__(self, app: ASGIApp, settings: ServiceSettings) -> None:
        self.app = app
        self.settings = settings

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        request = Request(scope)
        given = request.headers.get("x-request-id", "")
        request_id = given if ACCEPTED_ID.match(given) else uuid4().hex
        scope.setdefault("state", {})["request_id"] = request_id
        started = time.perf_counter()
        status = 500

        async def answer(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                headers["X-Request-Id"] = request_id
                headers["Server-Timing"] = f"total;dur={(time.perf_counter() - started) * 1000:.1f}"
            await send(message)

        parent = request.headers.get("traceparent")
        name = f"{scope['method']} {scope['path']}"[:200]
        with (
            structlog.contextvars.bound_contextvars(request=request_id),
            tracing.span(name, parent=parent, request=request_id) as span,
        ):
            try:
                owner = authenticate(self.settings, scope["path"], request.headers, request.query_params)
                scope["state"]["owner"] = owner
                await self.app(scope, receive, answer)
            except ProblemError as problem:  # authentication
                await response(request, problem)(scope, receive, answer)
            finally:
                span.note("http.response.status_code", status)
                self._account(scope, status, time.perf_counter() - started)

    def _account(self, scope: Scope, status: int, seconds: float) -> None:
        route = getattr(scope.get("route"), "path", None) or "unmatched"
        counters.REQUESTS.labels(route, str(status)).inc()
        counters.LATENCY.labels(route).observe(seconds)
        write = log.debug if route in ("/healthz", "/readyz", "/metrics") else log.info
        write("request", method=scope["method"], route=route, status=status, ms=round(seconds * 1000, 1))
