"""Wakes the requests of this process that wait for a batch: one Redis subscription for all of them."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections import defaultdict
from collections.abc import Iterator

import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

from chartreward import ledger

log = structlog.get_logger(__name__)


class Watch:
    """Wakes who waits for a batch once as many of its items are finished as it has a use for."""

    def __init__(self) -> None:
        self._event = asyncio.Event()
        self.begin()

    def begin(self) -> None:
        """Count from here: what is announced while its owner looks for itself may be new."""
        self._event.clear()
        self._finished, self._due = 0, sys.maxsize

    def tell(self, *, at_once: bool = False) -> None:
        """An item is finished; or there is something that its owner should see at once."""
        self._finished += 1
        if at_once or self._finished >= self._due:
            self._event.set()

    async def wait(self, due: int, seconds: float) -> None:
        """Until `due` items have finished since `begin`. Raises TimeoutError."""
        self._due = due
        if self._finished >= due:
            self._event.set()
        await asyncio.wait_for(self._event.wait(), seconds)


class Hub:
    """`watch(batch)` gives a watch that is told whenever the batch has news."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._waiting: defaultdict[str, set[Watch]] = defaultdict(set)
        self.epoch = 0  # grows when the connection was lost: what was queued may be too

    @contextlib.contextmanager
    def watch(self, batch: str) -> Iterator[Watch]:
        """A watch that is told whenever the batch has news."""
        watch = Watch()
        self._waiting[batch].add(watch)
        try:
            yield watch
        finally:
            self._waiting[batch].discard(watch)
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
                            batch, _, more = message["data"].decode().partition(" ")
                            for watch in self._waiting.get(batch, ()):
                                watch.tell(at_once=bool(more))
            except (RedisError, OSError) as error:
                log.warning("redis is away", error=str(error))
                self.epoch += 1
                await asyncio.sleep(delay)
                delay = min(2.0, delay * 2)

    def _wake_all(self) -> None:
        for watches in self._waiting.values():
            for watch in watches:
                watch.tell(at_once=True)
