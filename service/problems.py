"""Errors as `application/problem+json` (RFC 9457)."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from pydantic import ValidationError
from redis.exceptions import RedisError
from starlette.exceptions import HTTPException

from chartreward.models import Problem

log = structlog.get_logger(__name__)

CODES = {400: "bad_request", 401: "unauthorized", 404: "not_found", 405: "method_not_allowed"}


class ProblemError(Exception):
    """An answer other than success. `retryable` tells a client whether the same request may succeed later."""

    def __init__(
        self,
        status: int,
        code: str,
        detail: str,
        *,
        retryable: bool = False,
        retry_after: float | None = None,
        errors: list[dict[str, Any]] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status, self.code, self.detail = status, code, detail
        self.retryable, self.errors = retryable, errors
        self.headers = dict(headers or {})
        if retry_after is not None:
            self.headers["Retry-After"] = str(max(1, round(retry_after)))


def invalid(detail: str, *errors: tuple[Sequence[str | int], str]) -> ProblemError:
    """422 naming the fields."""
    entries = [{"loc": list(loc), "msg": msg} for loc, msg in errors]
    return ProblemError(422, "invalid_request", detail, errors=entries)


def _plain(errors: Sequence[Any]) -> list[dict[str, Any]]:
    """Entries {loc, msg} whose places are those in the body.

    Pydantic names the branch of a union it tried behind the field. That goes, and of an object that was given, so does
    that it is not a string.
    """
    entries, objects = [], set()
    for item in errors:
        loc = list(item["loc"])
        # The fields that are a name or an object: `profile`, and every item's `reference`.
        at = 1 if loc[:1] == ["profile"] else 3 if loc[:1] == ["items"] and loc[2:3] == ["reference"] else len(loc)
        branch = loc.pop(at) if at < len(loc) else None
        named = branch == "str"
        if branch is not None and not named and item["type"] != "model_type":
            objects.add(tuple(loc[:at]))
        entries.append((named, {"loc": loc, "msg": item["msg"]}))
    return [entry for named, entry in entries if not (named and tuple(entry["loc"]) in objects)]


def of_validation(error: ValidationError) -> ProblemError:
    """422 of a pydantic error (400 when the body is no JSON); the submitted values are not repeated."""
    found = error.errors(include_url=False, include_context=False, include_input=False)
    if found[0]["type"] == "json_invalid":
        return ProblemError(400, "invalid_json", found[0]["msg"])
    entries = _plain(found)
    first, more = entries[0], f" (and {len(entries) - 1} more)" if len(entries) > 1 else ""
    where = ".".join(map(str, first["loc"])) or "body"
    return ProblemError(422, "invalid_request", f"{where}: {first['msg']}{more}", errors=entries[:100])


def unavailable(detail: str, *, code: str = "unavailable", retry_after: float = 2) -> ProblemError:
    """503, worth retrying."""
    return ProblemError(503, code, detail, retryable=True, retry_after=retry_after)


def response(request: Request, error: ProblemError) -> Response:
    """The answer for a problem."""
    problem = Problem(
        title=HTTPStatus(error.status).phrase,
        status=error.status,
        detail=error.detail,
        code=error.code,
        retryable=error.retryable,
        request_id=getattr(request.state, "request_id", None),
        errors=error.errors,
    )
    body = problem.model_dump_json(exclude_none=True)
    return Response(body, error.status, headers=error.headers, media_type="application/problem+json")


def allowed(app: FastAPI, path: str) -> list[str]:
    """The methods of all operations whose path this is."""
    found: set[str] = set()
    for template, operations in app.openapi()["paths"].items():
        parts = re.split(r"(\{[^}]+\})", template)
        pattern = "".join("[^/]+" if part.startswith("{") else re.escape(part) for part in parts)
        if re.fullmatch(pattern, path):
            found |= {method.upper() for method in operations}
    return sorted(found)


def install(app: FastAPI) -> None:
    """Turn every exception of a route into a problem."""

    @app.exception_handler(ProblemError)
    async def on_problem(request: Request, error: ProblemError) -> Response:
        return response(request, error)

    @app.exception_handler(HTTPException)
    async def on_http(request: Request, error: HTTPException) -> Response:
        code = CODES.get(error.status_code, "error")
        headers = dict(error.headers or {})
        if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:  # Starlette names those of one route of the path
            headers["Allow"] = ", ".join(allowed(app, request.url.path)) or headers.get("Allow", "")
        return response(request, ProblemError(error.status_code, code, str(error.detail), headers=headers))

    @app.exception_handler(RequestValidationError)
    async def on_invalid(request: Request, error: RequestValidationError) -> Response:
        entries = [{"loc": list(item["loc"]), "msg": item["msg"]} for item in error.errors()]
        where = ".".join(map(str, entries[0]["loc"]))
        detail = f"{where}: {entries[0]['msg']}"
        return response(request, ProblemError(422, "invalid_request", detail, errors=entries))

    @app.exception_handler(RedisError)
    async def on_redis(request: Request, error: RedisError) -> Response:
        log.warning("redis is away", error=f"{type(error).__name__}: {error}")
        return response(request, unavailable("the queue (Redis) does not answer; try again", code="queue_unavailable"))

    @app.exception_handler(Exception)
    async def on_bug(request: Request, error: Exception) -> Response:
        log.exception("unhandled", path=request.url.path)
        problem = ProblemError(500, "internal_error", "the service failed on this request", retryable=True)
        return response(request, problem)
