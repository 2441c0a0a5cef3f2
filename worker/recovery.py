"""Taking back the job of a worker that died, so that every item still ends exactly once."""

from __future__ import annotations

import time
import zlib
from typing import Any, cast
from uuid import uuid4

import orjson
import structlog
from redis import Redis

import chartreward
from chartreward import ledger, scripts
from chartreward.messages import WorkChunk, WorkItem
from chartreward.models import ItemError, ItemResult, Status
from worker.settings import WorkerSettings

log = structlog.get_logger(__name__)

JOB_TTL_S = 86_400  # of work that was queued again: its batches' own deadlines end it long before


def dead_workers(redis: Redis) -> list[str]:
    """Names of workers whose heartbeat has stopped but whose job nobody has taken back."""
    names = sorted(name.decode() for name in cast("set[bytes]", redis.smembers(ledger.WORKERS)))
    if not names:
        return []
    alive = cast("list[bytes | None]", redis.mget([ledger.worker_key(name) for name in names]))
    return [name for name, seen in zip(names, alive, strict=True) if seen is None]


def job_in_hand(redis: Redis, name: str) -> tuple[str, str, str] | None:
    """(job id, queue, lane) that a worker holds."""
    hand = cast("dict[bytes, bytes]", redis.hgetall(f"cr:hand:{name}"))
    return (hand[b"job"].decode(), hand[b"queue"].decode(), hand[b"lane"].decode()) if hand else None


def take_back(redis: Redis, name: str, settings: WorkerSettings, *, explained: bool, death: bool = True) -> int:
    """Queue what a worker left unfinished, an item a job, and forget the worker. Returns the number of items.

    Safe to run by several processes at once. `death`: count it against the item that was being worked on;
    `explained`: it was no SIGKILL from outside.
    """
    moved = 0
    held = job_in_hand(redis, name)
    if held is not None:
        job, queue, lane = held
        data = cast("bytes | None", redis.hget(f"rq:job:{job}", "data"))
        if data is not None:
            chunk = chunk_of(data)
            moved = _scatter(redis, chunk, held, settings, death=death, explained=explained)
        redis.eval(scripts.RELEASE, 0, name, job)
        if moved:
            log.warning("items taken back", worker=name, job=job, queue=queue, lane=lane, items=moved, death=death)
    with redis.pipeline() as pipeline:
        pipeline.srem(ledger.WORKERS, name)
        pipeline.delete(ledger.worker_key(name), f"rq:worker:{name}")
        pipeline.srem("rq:workers", f"rq:worker:{name}")
        for lane in ledger.lanes(settings.runtimes):
            pipeline.srem(f"rq:workers:{lane}", f"rq:worker:{name}")
        if death:
            pipeline.hincrby(ledger.COUNTERS, "worker_deaths_total", 1)
        pipeline.execute()
    return moved


def chunk_of(data: bytes) -> WorkChunk:
    """The chunk inside an RQ job's `data` field."""
    _, _, args, _ = orjson.loads(zlib.decompress(data))
    return WorkChunk.model_validate_json(args[0])


def move(
    redis: Redis,
    chunk: WorkChunk,
    held: tuple[str, str, str],
    settings: WorkerSettings,
    *,
    death: bool = False,
    explained: bool = False,
) -> int:
    """Give the chunk's unfinished items a new job at the front of their queue. Returns how many there were.

    With `death`, an item that has taken down its share of workers ends as `crashed` instead.
    """
    old, queue, lane = held
    job = uuid4().hex
    keys = [item.key for item in chunk.items]
    fields = ledger.job_fields(job, chunk, queue, time.time())
    limits = (settings.max_deaths, settings.max_own_deaths)
    arguments: list[Any] = [old, job, lane, queue, JOB_TTL_S, int(death), int(explained), *limits, len(keys), *keys]
    moved, condemned = cast("list[int]", redis.eval(scripts.MOVE, 0, *arguments, *fields))
    if condemned:
        for item in chunk.items:
            _crash(redis, chunk, item, settings)
    return moved


def _scatter(
    redis: Redis,
    chunk: WorkChunk,
    held: tuple[str, str, str],
    settings: WorkerSettings,
    *,
    death: bool,
    explained: bool,
) -> int:
    """One job an item, so that a second death names its cause. The first unfinished item is the suspect."""
    with redis.pipeline(transaction=False) as pipeline:
        for item in chunk.items:
            pipeline.hget(f"cr:fly:{item.key}", "job")
        owners = pipeline.execute()
    left = [item for item, owner in zip(chunk.items, owners, strict=True) if owner == held[0].encode()]
    moved = 0
    for place in range(len(left) - 1, -1, -1):  # each goes to the front: the suspect last, so that it is next
        single = chunk.model_copy(update={"items": [left[place]]})
        moved += move(redis, single, held, settings, death=death and place == 0, explained=explained)
    return moved


def _crash(redis: Redis, chunk: WorkChunk, item: WorkItem, settings: WorkerSettings) -> None:
    """End an item that took down its share of workers."""
    reward = chunk.profile.failure(Status.CRASHED)
    message = "the worker scoring this code died, and so did the one that tried again"
    result = ItemResult(
        status=Status.CRASHED,
        reward=reward,
        normalized=chunk.profile.normalize(reward),
        error=ItemError(type="WorkerDied", message=message),
        profile=chunk.profile.ref,
        runtime=chunk.runtime,
        engine=chartreward.__version__,
        reference=chunk.reference,
    )
    log.error("code condemned", key=item.key, deaths=settings.max_deaths)
    ttl = settings.result_ttl_s
    most = settings.keep_results_mb * ledger.MIB
    redis.eval(scripts.FINISH, 0, item.key, ledger.Record.of(result).pack(), ttl, ttl, Status.CRASHED.value, most)
