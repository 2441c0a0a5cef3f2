"""What the workers can do, and whether work gets through them."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from typing import Any, cast

import orjson
import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

from chartreward import ledger
from chartreward.messages import WorkerInfo
from service.problems import unavailable

log = structlog.get_logger(__name__)

REFRESH_S = 1.0


@dataclass
class Fleet:
    """The announcements of all workers, read at most once a second."""

    redis: Redis
    workers: list[WorkerInfo] = field(default_factory=list)
    last_known: WorkerInfo | None = None
    _read: float = 0.0
    _lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def refresh(self, *, force: bool = False) -> None:
        """Read the announcements again when they are old."""
        if not force and time.monotonic() - self._read < REFRESH_S:
            return
        async with self._lock:
            if not force and time.monotonic() - self._read < REFRESH_S:
                return
            members = cast("set[bytes]", await self.redis.smembers(ledger.WORKERS))
            names = sorted(name.decode() for name in members)
            keys = [ledger.worker_key(name) for name in names]
            raw = await self.redis.mget([*keys, ledger.FLEET])
            infos = [WorkerInfo.model_validate_json(item) for item in raw[:-1] if item]
            self.workers = infos
            if raw[-1]:
                self.last_known = WorkerInfo.model_validate_json(raw[-1])
            self._read = time.monotonic()

    @property
    def serving(self) -> list[WorkerInfo]:
        """Workers whose engine is up."""
        return [info for info in self.workers if info.runtimes and info.state != "refused"]

    @property
    def level(self) -> str | None:
        """`full`, or what the first worker says that is not; None before any worker has started."""
        known = self.serving or ([self.last_known] if self.last_known else [])
        levels = [info.level for info in known if info.level]
        return next((level for level in levels if level != "full"), levels[0] if levels else None)

    async def facts(self) -> WorkerInfo:
        """What to check requests against: a live worker, else the last one seen. Raises ProblemError (503)."""
        await self.refresh()
        serving = self.serving
        if serving:
            return serving[0]
        if self.last_known is not None:
            return self.last_known
        await self.refresh(force=True)
        if self.serving:
            return self.serving[0]
        raise unavailable("no worker has started yet; try again", code="no_workers")


async def batches_waiting(redis: Redis, fleet: Fleet) -> dict[str, int]:
    """Lane (runtime:priority) -> batches that have jobs nobody took yet."""
    lanes = ledger.lanes(sorted({name for worker in fleet.serving for name in worker.runtimes}))
    async with redis.pipeline(transaction=False) as pipeline:
        for lane in lanes:
            pipeline.llen(ledger.turns_key(lane))
        counts = await pipeline.execute()
    return dict(zip(lanes, counts, strict=True))


def identity(info: WorkerInfo) -> dict[str, Any]:
    """All that a result depends on, part of every work key."""
    return {
        "engine": info.engine,
        "backbones": info.backbones,
        "default_backbone": info.default_backbone,
        "runtimes": info.runtimes,
        "level": info.level,
    }


@dataclass
class Readiness:
    """The last canary that came through queue, jail, features and score."""

    redis: Redis
    window_s: float

    async def report(self) -> dict[str, Any]:
        """{ready, reason, canary_age_s}; not ready while Redis is away."""
        try:
            raw = await self.redis.get(ledger.CANARY)
        except RedisError as error:
            return {"ready": False, "reason": f"Redis does not answer: {type(error).__name__}", "canary_age_s": None}
        if raw is None:
            return {"ready": False, "reason": "no canary has come through yet", "canary_age_s": None}
        age = time.time() - orjson.loads(raw)["at"]
        if age > self.window_s:
            reason = f"the last canary came through {age:.0f} s ago (at most {self.window_s:.0f} s)"
            return {"ready": False, "reason": reason, "canary_age_s": round(age, 1)}
        return {"ready": True, "reason": None, "canary_age_s": round(age, 1)}
