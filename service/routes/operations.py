"""Health, readiness, information, metrics, and what is under way."""

from __future__ import annotations

import time
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import PlainTextResponse
from pydantic import BaseModel, Field

from chartreward import __version__, ledger
from chartreward.messages import WorkerInfo
from chartreward.models import MAX_CODE_CHARS, MAX_COMPLETION_CHARS, MAX_ITEMS, BatchSummary, Profile
from chartreward.profiles import DEFAULT_PROFILE, load_profiles
from service import metrics, recent
from service.fleet import batches_waiting
from service.openapi import problems
from service.problems import unavailable
from service.state import owner_of, state_of

router = APIRouter(tags=["operations"])


class Ready(BaseModel):
    """A canary came through queue, jail, features and score lately."""

    ready: bool
    canary_age_s: float | None = Field(description="seconds since the last canary came through")
    level: str | None = Field(description="sandbox level of the workers: full, or `reduced: <why>` when any is")


class Info(BaseModel):
    """What this service is, allows and offers."""

    version: str
    engine: str | None = Field(description="version of the workers' engine; null: none has started yet")
    level: str | None = Field(description="sandbox level of the workers: full, or `reduced: <why>`")
    default_profile: str
    default_runtime: str | None
    runtimes: dict[str, str]
    backbones: dict[str, str] = Field(description="name -> sha256 of its weights")
    default_backbone: str | None
    signals: list[str]
    profiles: list[str]
    workers: int
    limits: dict[str, float]
    clocks: dict[str, float] = Field(description="seconds: deadlines, times to live, canary window")


@router.get("/healthz", response_class=PlainTextResponse)
@router.get("/health", response_class=PlainTextResponse, include_in_schema=False)
async def healthz() -> str:
    """The process answers."""
    return "ok"


@router.get("/v1/ping", response_class=PlainTextResponse)
@router.get("/ping", response_class=PlainTextResponse, include_in_schema=False)
async def ping() -> str:
    """The process answers, as some clients ask it."""
    return "pong"


@router.get("/readyz", response_model=Ready, responses=problems(503))
async def readyz(request: Request) -> Any:
    """Work gets through: a canary came out of queue, jail, features and score within the last seconds."""
    state = state_of(request)
    report = await state.readiness.report()
    if not report["ready"]:
        raise unavailable(report["reason"], code="not_ready")
    await state.fleet.refresh()
    return {**report, "level": state.fleet.level}


@router.get("/metrics", response_class=PlainTextResponse, responses=problems(503))
async def prometheus(request: Request) -> Response:
    """Metrics for Prometheus."""
    return Response(await metrics.exposition(state_of(request)), media_type="text/plain; version=0.0.4; charset=utf-8")


@router.get("/v1/profiles", response_model=list[Profile], responses=problems())
async def profiles() -> Any:
    """The named reward recipes."""
    return list(load_profiles().values())


@router.get("/v1/workers", response_model=list[WorkerInfo], responses=problems(503))
async def workers(request: Request) -> Any:
    """The workers that are alive."""
    fleet = state_of(request).fleet
    await fleet.refresh(force=True)
    return fleet.workers


@router.get("/v1/info", response_model=Info, responses=problems(503))
async def info(request: Request) -> Any:
    """Versions, limits, and what requests may name."""
    state = state_of(request)
    await state.fleet.refresh()
    serving, settings = state.fleet.serving, state.settings
    facts = serving[0] if serving else state.fleet.last_known
    runtimes: dict[str, str] = {}
    for worker in serving or ([facts] if facts else []):
        runtimes.update(worker.runtimes)
    return Info(
        version=__version__,
        engine=facts.engine if facts else None,
        level=state.fleet.level,
        default_profile=DEFAULT_PROFILE,
        default_runtime=settings.default_runtime or next(iter(runtimes), None),
        runtimes=runtimes,
        backbones=facts.backbones if facts else {},
        default_backbone=facts.default_backbone if facts else None,
        signals=facts.signals if facts else [],
        profiles=sorted(load_profiles()),
        workers=len(serving),
        limits={
            "items": MAX_ITEMS,
            "body_bytes": settings.max_body_mb * 1024 * 1024,
            "code_chars": MAX_CODE_CHARS,
            "completion_chars": MAX_COMPLETION_CHARS,
            "image_pixels": settings.max_image_pixels,
            "timeout_s": settings.max_timeout_s,
            "memory_mb": settings.max_memory_mb,
            "queue_items": settings.max_queue,
            "wait_s": settings.max_wait_s,
        },
        clocks={
            "deadline_s": settings.deadline_s,
            "result_ttl_s": settings.result_ttl_s,
            "reference_ttl_s": settings.reference_ttl_s,
            "ready_window_s": settings.ready_window_s,
        },
    )


class Queue(BaseModel):
    """What waits and whether it moves."""

    items: int = Field(description="distinct items queued or being scored")
    oldest_s: float | None = Field(description="age of the oldest of them")
    limit: int = Field(description="items beyond which native routes answer 429")
    batches_waiting: dict[str, int] = Field(description="lane (runtime:priority) -> batches with queued jobs")
    ready: bool
    reason: str | None = Field(description="why not ready")
    canary_age_s: float | None


@router.get("/v1/queue", response_model=Queue, responses=problems(503))
async def queue(request: Request) -> Any:
    """How much is under way, for how long, and in which lanes."""
    state = state_of(request)
    await state.fleet.refresh()
    async with state.redis.pipeline(transaction=False) as pipeline:
        pipeline.zcard(ledger.INFLIGHT)
        pipeline.zrange(ledger.INFLIGHT, 0, 0, withscores=True)
        items, oldest = await pipeline.execute()
    waiting = await batches_waiting(state.redis, state.fleet)
    return {
        "items": items,
        "oldest_s": round(max(0.0, time.time() - oldest[0][1]), 3) if oldest else None,
        "limit": state.settings.max_queue,
        "batches_waiting": {lane: count for lane, count in waiting.items() if count},
        **await state.readiness.report(),
    }


@router.get("/v1/batches", response_model=list[BatchSummary], responses=problems(422, 503))
async def batches(
    request: Request, limit: Annotated[int, Query(ge=1, le=recent.KEPT, description="how many at most")] = 50
) -> Any:
    """The last batches of this key that were submitted to `/v1/rewards`, newest first: progress, without results."""
    return await state_of(request).recent.list(owner_of(request), limit)
