"""What the routes share: settings, Redis, dispatcher; and how a request's body is read."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TypeVar

import anyio.to_thread
from fastapi import Request
from pydantic import BaseModel, ValidationError
from redis.asyncio import Redis

from service.dispatch import Dispatcher
from service.fleet import Fleet, Readiness
from service.hub import Hub
from service.intake import Intake
from service.problems import ProblemError, of_validation
from service.recent import Recent
from service.settings import ServiceSettings

LARGE_BODY = 200_000
M = TypeVar("M", bound=BaseModel)


@dataclass(frozen=True)
class State:
    """One a process; `state_of(request)` finds it."""

    settings: ServiceSettings
    redis: Redis
    fleet: Fleet
    hub: Hub
    dispatcher: Dispatcher
    intake: Intake
    readiness: Readiness
    recent: Recent


def state_of(request: Request) -> State:
    """The shared state."""
    state = request.app.state.shared
    assert isinstance(state, State)
    return state


def owner_of(request: Request) -> str:
    """The name of the API key, or `anonymous`."""
    return str(request.state.owner)


async def read_body(request: Request) -> bytes:
    """The whole body. Raises ProblemError: 415 unless it is plain JSON, 413 as soon as it grows too large."""
    kind = request.headers.get("content-type", "application/json").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise ProblemError(415, "unsupported_media_type", f"send application/json, not {kind[:80]}")
    coding = request.headers.get("content-encoding", "identity").strip().lower()
    if coding not in ("", "identity"):
        raise ProblemError(415, "unsupported_encoding", f"send the body unencoded, not as {coding[:80]}")
    most = state_of(request).settings.max_body_mb * 1024 * 1024
    too_large = ProblemError(
        413, "too_large", f"a body may have {most // 1024 // 1024} MiB", headers={"Connection": "close"}
    )
    declared = request.headers.get("content-length", "")
    if declared.isdigit() and int(declared) > most:
        raise too_large
    parts, size = [], 0
    async for part in request.stream():
        size += len(part)
        if size > most:
            raise too_large
        parts.append(part)
    return b"".join(parts)


# An escape of JSON: a backslash, a surrogate pair, a lone half of one, anything else.
_ESCAPE = re.compile(
    rb"\\(?:\\|u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(u[dD][89a-fA-F][0-9a-fA-F]{2}))"
)


def parse(model: type[M], body: bytes) -> M:
    """A body as a model. Raises ValidationError.

    Half characters (`\\ud800` alone), which a model may well emit, become U+FFFD, as tokenizers have it.
    """
    try:
        return model.model_validate_json(body)
    except ValidationError as error:
        if error.errors(include_url=False, include_input=False)[0]["type"] != "json_invalid":
            raise
        cleaned, halves = _ESCAPE.subn(lambda found: b"\\ufffd" if found[1] else found[0], body)
        if not halves:
            raise
        return model.model_validate_json(cleaned)


async def read_model(request: Request, model: type[M]) -> M:
    """The body as a model; a large one is parsed in a thread. Raises ProblemError (400, 413, 415, 422)."""
    body = await read_body(request)
    try:
        if len(body) < LARGE_BODY:
            return parse(model, body)
        return await anyio.to_thread.run_sync(parse, model, body)
    except ValidationError as error:
        raise of_validation(error) from None
