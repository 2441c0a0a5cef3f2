"""Wakes the requests of this process that wait for a batch: one Redis subscription for all of them."""

from __future__ import annotations

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import Iterator

import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

from chartreward import ledger

log = structlog.get_logger(__name__)


class Hub:
    """`watch(batch)` gives an event that is set whenever the batch has news."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._waiting: defaultdict[str, set[asyncio.Event]] = defaultdict(set)
        self.epoch = 0  # grows when the connection was lost: what was queued may be too

    @contextlib.contextmanager
    def watch(self, batch: str) -> Iterator[asyncio.Event]:
        """An event that is set whenever the batch has news."""
        event = asyncio.Event()
        self._waiting[batch].add(event)
        try:
            yield event
        finally:
            self._waiting[batch].discard(event)
            if not self._waiting[batch]:
                del self._waiting[batch]

    @property
    def waiting(self) -> int:
        """Requests that wait."""
        return sum(map(len, self._waiting.values()))

    async def run(self) -> None:
        """Listen until cancelled; reconnect with backoff."""
        delay = 0.1
        while True:
            try:
                async with self._redis.pubsub(ignore_subscribe_messages=True) as subscription:
                    await subscription.subscribe(ledger.DONE_CHANNEL)
                    self._wake_all()
                    delay = 0.1
                    while True:
                        message = await subscription.get_message(timeout=30)
                        if message is not None:
                            for event in self._waiting.get(message["data"].decode(), ()):
                                event.set()
            except (RedisError, OSError) as error:
                log.warning("redis is away", error=str(error))
                self.epoch += 1
                await asyncio.sleep(delay)
                delay = min(2.0, delay * 2)

    def _wake_all(self) -> None:
        for events in self._waiting.values():
            for event in events:
                event.set()
