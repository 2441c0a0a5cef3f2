"""`/v1/rewards`: submit, wait, stream, look, cancel."""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import AsyncIterator
from typing import Annotated, cast

import anyio.to_thread
import structlog
from fastapi import APIRouter, Header, Path, Query, Request, Response
from fastapi.responses import StreamingResponse
from pydantic import ValidationError

from chartreward.models import Batch as BatchModel
from chartreward.models import RewardRequest
from service.auth import take_quota
from service.batch import Batch
from service.intake import Plan
from service.openapi import problems, request_body
from service.problems import ProblemError, invalid, of_validation
from service.state import LARGE_BODY, State, owner_of, parse, read_body, state_of

log = structlog.get_logger(__name__)
router = APIRouter(prefix="/v1/rewards", tags=["rewards"])

NDJSON = "application/x-ndjson"
IDEMPOTENCY_TTL_S = 86_400
Wait = Annotated[float | None, Query(ge=0, le=86_400, description="seconds to wait for the end of the batch")]
BatchId = Annotated[str, Path(max_length=100, description="`id` of the batch")]
Prefer = Annotated[str | None, Header(max_length=200, description="`wait=N`: as the query parameter")]


@router.post(
    "",
    response_model=BatchModel,
    responses={
        200: {"description": "Done (or a stream of results, one JSON object a line)", "content": {NDJSON: {}}},
        202: {"model": BatchModel, "description": "Under way; `Location` says where"},
        **problems(400, 409, 413, 415, 422, 429, 503),
    },
    openapi_extra=request_body(RewardRequest),
)
async def submit(
    request: Request,
    wait: Wait = None,
    prefer: Prefer = None,
    accept: Annotated[str, Header(max_length=500)] = "*/*",
    idempotency_key: Annotated[str | None, Header(min_length=1, max_length=200)] = None,
) -> Response:
    """Score a batch. With `Accept: application/x-ndjson` each result is sent as soon as it is known."""
    state = state_of(request)
    body = await read_body(request)
    batch_id = await _idempotent(state, owner_of(request), idempotency_key, body)
    plan = await _plan(state, body, batch_id)
    structlog.contextvars.bind_contextvars(batch=plan.batch, items=len(plan.keys))
    await take_quota(state.redis, state.settings, owner_of(request), len(plan.keys))
    batch = await state.dispatcher.submit(plan, owner=owner_of(request))
    headers = {"Location": f"/v1/rewards/{batch.id}"}
    if NDJSON in accept:
        return StreamingResponse(_stream(request, batch, plan), media_type=NDJSON, headers=headers)
    seconds = _seconds(wait, prefer, state)
    if not batch.is_over:
        await state.dispatcher.finish(batch, time.time() + seconds, plan, request.is_disconnected)
    if batch.is_over:
        return Response(batch.json(), media_type="application/json", headers=headers)
    headers["Retry-After"] = "1"
    return Response(batch.json(), 202, media_type="application/json", headers=headers)


@router.get("/{batch_id}", response_model=BatchModel, responses=problems(404, 422, 503))
async def look(
    request: Request,
    batch_id: BatchId,
    wait: Wait = None,
    prefer: Prefer = None,
    accept: Annotated[str, Header(max_length=500)] = "*/*",
) -> Response:
    """Progress and results so far; with `wait`, hold until the batch is over."""
    state = state_of(request)
    batch = await state.dispatcher.load(batch_id)
    if NDJSON in accept:
        return StreamingResponse(_stream(request, batch, None), media_type=NDJSON)
    seconds = _seconds(wait, prefer, state)
    if seconds > 0 and not batch.is_over:
        await state.dispatcher.finish(batch, time.time() + seconds, gone=request.is_disconnected)
    return Response(batch.json(), media_type="application/json")


@router.delete("/{batch_id}", response_model=BatchModel, responses=problems(404, 422, 503))
async def cancel(request: Request, batch_id: BatchId) -> Response:
    """Stop a batch. What is done stays; the rest ends as `cancelled`, without a reward."""
    state = state_of(request)
    batch = await state.dispatcher.load(batch_id)
    if not batch.is_over:
        await state.dispatcher.close(batch, "cancelled")
    return Response(batch.json(), media_type="application/json")


async def _plan(state: State, body: bytes, batch_id: str | None) -> Plan:
    """Parse and plan; a large body in a thread, so that others are answered meanwhile."""
    facts = await state.fleet.facts()

    def work() -> Plan:
        return state.intake.plan(parse(RewardRequest, body), facts, batch_id)

    try:
        return work() if len(body) < LARGE_BODY else await anyio.to_thread.run_sync(work)
    except ValidationError as error:
        raise of_validation(error) from None


async def _idempotent(state: State, owner: str, key: str | None, body: bytes) -> str | None:
    """The batch id that this key stands for; the same key with another body is a conflict (409)."""
    if key is None:
        return None
    digest = hashlib.sha256(body).hexdigest()
    name = f"cr:idem:{owner}:{hashlib.sha256(key.encode()).hexdigest()[:32]}"
    mine = f"b_{hashlib.sha256(f'{owner}:{key}:{digest}:{time.time_ns()}'.encode()).hexdigest()[:32]} {digest}"
    await state.redis.set(name, mine, nx=True, ex=IDEMPOTENCY_TTL_S)
    known = cast("bytes | None", await state.redis.get(name))
    batch, theirs = (known.decode() if known else mine).split()
    if theirs != digest:
        raise ProblemError(409, "idempotency_conflict", "this Idempotency-Key was used with another body")
    return batch


def _seconds(wait: float | None, prefer: str | None, state: State) -> float:
    """How long to hold the request."""
    if wait is None and prefer is not None:
        match = re.search(r"(?:^|[,;\s])wait\s*=\s*\"?(\d{1,6}(?:\.\d+)?)", prefer)
        if match is None and "wait" in prefer:
            raise invalid("Prefer: wait=N takes a number of seconds", (["header", "prefer"], "wait=N takes seconds"))
        wait = float(match[1]) if match else None
    return min(wait or 0.0, state.settings.max_wait_s)


async def _stream(request: Request, batch: Batch, plan: Plan | None) -> AsyncIterator[bytes]:
    """Each result once, as it becomes known."""
    dispatcher = state_of(request).dispatcher
    sent: set[int] = set()

    def news() -> bytes:
        rows = [row for row in batch.results() if row[0] not in sent]
        sent.update(index for index, _, _ in rows)
        return b"".join(batch.line(*row) + b"\n" for row in rows)

    if first := news():
        yield first
    async for _ in dispatcher.wait(batch, batch.deadline + 1, plan, request.is_disconnected):
        if lines := news():
            yield lines
    if last := news():
        yield last
