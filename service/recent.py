"""The last batches of an API key, with progress: read from what batches and their streams hold, without results."""

from __future__ import annotations

import time
from collections import Counter, OrderedDict
from typing import Any, cast

import orjson
from redis.asyncio import Redis
from redis.asyncio.client import Pipeline

from chartreward import ledger
from chartreward.models import BatchStatus, BatchSummary, Status
from service.batch import Batch

KEPT = 500  # batches an API key finds again
FINISHED_KEPT = 2000  # summaries of this process that change no more


def note(pipeline: Pipeline, owner: str, batch: Batch, life_s: int) -> None:
    """Put a batch on the list of its owner; the oldest fall off."""
    name = ledger.recent_key(owner)
    pipeline.zadd(name, {batch.id: batch.created})
    pipeline.zremrangebyrank(name, 0, -KEPT - 1)
    pipeline.expire(name, life_s)


class Recent:
    """Reads the list. Running batches are counted anew each time, finished ones once."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._finished: OrderedDict[str, BatchSummary] = OrderedDict()

    async def list(self, owner: str, limit: int) -> list[BatchSummary]:
        """The newest batches first, at most `limit`."""
        names = cast("list[bytes]", await self._redis.zrevrange(ledger.recent_key(owner), 0, limit - 1))
        batches = [name.decode() for name in names]
        unknown = [batch for batch in batches if batch not in self._finished]
        read = {batch: await self._count(batch) for batch in unknown}
        found = [self._finished.get(batch) or read.get(batch) for batch in batches]
        while len(self._finished) > FINISHED_KEPT:
            self._finished.popitem(last=False)
        return [summary for summary in found if summary is not None]

    async def _count(self, batch: str) -> BatchSummary | None:
        """One batch; None when it is too old."""
        async with self._redis.pipeline(transaction=False) as pipeline:
            pipeline.get(ledger.batch_key(batch))
            pipeline.get(ledger.closed_key(batch))
            pipeline.xrange(ledger.stream_key(batch))
            raw, closed, entries = await pipeline.execute()
        if raw is None:
            return None
        summary = summarize(batch, orjson.loads(raw), closed, entries)
        if summary.status is not BatchStatus.RUNNING:
            self._finished[batch] = summary
        return summary


def summarize(
    batch: str, record: dict[str, Any], closed: bytes | None, entries: list[tuple[bytes, dict[bytes, bytes]]]
) -> BatchSummary:
    """Counts of a batch from its record (`Batch.pack`), why it was closed, and its stream."""
    total = len(record["keys"])
    finished = {values[b"k"].decode(): values[b"s"].decode() for _, values in entries if b"s" in values}
    hits = set(record["hits"])
    counts = Counter(record["first"])
    counts.update(finished[key] for key in record["keys"] if key in finished and key not in hits)
    reason = closed.decode() if closed else None
    if reason is None and time.time() >= record["deadline"] and counts.total() < total:
        reason = Status.DEADLINE.value
    if reason is not None and counts.total() < total:
        counts[reason] += total - counts.total()
    done = counts.total()
    status = BatchStatus.RUNNING if done < total else BatchStatus.COMPLETED
    return BatchSummary(
        id=batch,
        status=BatchStatus.CANCELLED if reason == BatchStatus.CANCELLED else status,
        total=total,
        done=done,
        counts={Status(name): count for name, count in counts.items()},
        created=record["created"],
        deadline=record["deadline"],
        profile=record["profile"],
        runtime=record["runtime"],
    )
