"""Batches in Redis: submitted, joined, waited for, read, closed."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from itertools import islice
from typing import Any, TypeVar, cast
from uuid import uuid4

from redis.asyncio import Redis

from chartreward import __version__, ledger, scripts
from chartreward.ledger import Record
from chartreward.models import ItemError, ItemResult, Reference, Status
from service import recent
from service.batch import Batch
from service.counters import HITS
from service.fleet import Fleet
from service.hub import Hub
from service.intake import Plan
from service.problems import ProblemError, unavailable
from service.settings import ServiceSettings

LOOKUP_KEYS = 512
SUBMIT_CHUNKS = 64
LOOK_S = 2.0  # a waiting request looks for itself this often, should a wake-up get lost
GATHER_S = 0.5  # one that waits for the end takes in what has finished this often, so that little is left for the end
GRACE_S = 900  # what lies in Redis outlives a batch's deadline by this, or by the time results are kept, if less


T = TypeVar("T")
Gone = Callable[[], Awaitable[bool]]
_Entries = list[tuple[bytes, dict[bytes, bytes]]]


def batched(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """Lists of at most `size` items (itertools has it from Python 3.12)."""
    rest = iter(items)
    while some := list(islice(rest, size)):
        yield some


class Dispatcher:
    """Puts plans on the queue and brings results back."""

    def __init__(self, redis: Redis, fleet: Fleet, hub: Hub, settings: ServiceSettings) -> None:
        self.redis, self.fleet, self.hub, self.settings = redis, fleet, hub, settings
        self._lookup = redis.register_script(scripts.LOOKUP)
        self._submit = redis.register_script(scripts.SUBMIT)
        self._close = redis.register_script(scripts.CLOSE)
        self._keep = redis.register_script(scripts.KEEP)
        self._touch = redis.register_script(scripts.TOUCH)

    # --- submit -------------------------------------------------------------------------------

    async def submit(self, plan: Plan, *, shed: bool = True, owner: str | None = None) -> Batch:
        """Answer from the cache what is known, join what is under way, queue the rest.

        Repeating it is harmless: nothing is done twice. `shed`: raise ProblemError (429) when the queue is full.
        `owner`: the API key that finds the batch among its recent ones.
        """
        await self._check_references(plan)
        batch = Batch(
            id=plan.batch,
            ids=plan.ids,
            keys=plan.keys,
            local=plan.local,
            hits=set(),
            created=plan.created,
            deadline=plan.deadline,
            profile=plan.profile.ref,
            runtime=plan.runtime,
        )
        await self._take_known(batch, list(plan.work))
        batch.hits = set(batch.known)
        missing = batch.missing
        if missing and shed:
            await self._check_queue(len(missing))
        life = self._life(plan.deadline)
        async with self.redis.pipeline(transaction=False) as pipeline:
            for content_id in {plan.work[key].reference for key in missing} & plan.references.keys():
                await self.keep_reference(content_id, plan.references[content_id], pipeline)
            await self._keep_batch(batch, life, pipeline)
            if owner is not None:
                recent.note(pipeline, owner, batch, life)
            await pipeline.execute()
        fresh = await self.enqueue(plan, missing)
        _count(batch, len(missing), fresh)
        return batch

    async def enqueue(self, plan: Plan, keys: list[str]) -> int:
        """Queue work, unless it is known or under way by now. Returns how much of it was new."""
        fresh = 0
        workers = sum(plan.runtime in info.runtimes for info in self.fleet.serving)
        lane = ledger.lane(plan.runtime, plan.priority)
        queue = ledger.queue_name(lane, plan.batch)
        life = self._life(plan.deadline)
        own: list[Any] = [plan.batch, plan.deadline, plan.created, lane, queue]
        for chunks in batched(plan.chunks(keys, self.settings.chunk_items, workers), SUBMIT_CHUNKS):
            async with self.redis.pipeline(transaction=False) as pipeline:
                for chunk in chunks:
                    job = uuid4().hex
                    own = [item.key for item in chunk.items]
                    head: list[Any] = [
                        plan.batch,
                        plan.deadline,
                        plan.created,
                        lane,
                        queue,
                        job,
                        life,
                        self.settings.result_ttl_s,
                    ]
                    fields = ledger.job_fields(job, chunk, queue, plan.created)
                    await self._submit(args=[*head, len(own), *own, *fields], client=pipeline)
                fresh += sum(await pipeline.execute())
        return fresh

    async def keep_reference(self, content_id: str, reference: Reference, client: Redis | None = None) -> None:
        """Store a reference, or keep it for longer where it is already."""
        content = reference.model_dump_json(exclude_none=True)
        most = self.settings.keep_references_mb * ledger.MIB
        await self._keep(args=["ref", content_id, content, self.settings.reference_ttl_s, most, 1], client=client)

    async def _keep_batch(self, batch: Batch, life_s: int, client: Redis) -> None:
        most = self.settings.keep_batches_mb * ledger.MIB
        await self._keep(args=["batch", batch.id, batch.pack(), life_s, most, 0], client=client)

    async def _check_references(self, plan: Plan) -> None:
        """Registered references must still be there; using one keeps it."""
        if not plan.known_references:
            return
        names = list({name for name, _ in plan.known_references})
        found = cast("list[int]", await self._touch(args=["ref", self.settings.reference_ttl_s, *names]))
        there = dict(zip(names, found, strict=True))
        lost = [(name, where) for name, where in plan.known_references if not there[name]]
        if lost:
            errors = [
                {"loc": [*where, "id"], "msg": f"no reference {name[:80]!r} is registered"} for name, where in lost
            ]
            where = ".".join(map(str, [*lost[0][1], "id"]))
            # A code of its own: clients register what they uploaded before and try again.
            raise ProblemError(422, "unknown_reference", f"{where}: {errors[0]['msg']}", errors=errors)

    async def _check_queue(self, items: int) -> None:
        depth = await self.redis.zcard(ledger.INFLIGHT)
        if depth + items > self.settings.max_queue:
            detail = f"{depth} items are under way and {self.settings.max_queue} is the limit; try again"
            raise ProblemError(429, "queue_full", detail, retryable=True, retry_after=5)

    async def _take_known(self, batch: Batch, keys: Iterable[str]) -> None:
        """Take results from the cache into `batch.known`."""
        for some in batched(keys, LOOKUP_KEYS):
            raw = await self._lookup(args=[self.settings.result_ttl_s, *some])
            for key, value in zip(some, raw, strict=True):
                if value is not None:
                    batch.known[key] = Record.unpack(value)

    def _life(self, deadline: float) -> int:
        """Seconds to keep what belongs to a batch."""
        ttl = self.settings.result_ttl_s
        return max(ttl, int(deadline - time.time()) + min(ttl, GRACE_S))

    # --- read ---------------------------------------------------------------------------------

    async def load(self, batch_id: str) -> Batch:
        """A batch with what is known of it. Raises ProblemError (404)."""
        raw = cast("bytes | None", await self.redis.get(ledger.batch_key(batch_id)))
        if raw is None:
            raise ProblemError(404, "unknown_batch", f"no batch {batch_id[:80]!r}: it never was, or it is too old")
        batch = Batch.unpack(batch_id, raw)
        await self._take_known(batch, batch.hits)
        await self.refresh(batch)
        return batch

    async def refresh(self, batch: Batch) -> bool:
        """Take in what finished since the last look; True when there was something."""
        if batch.is_over:
            return False
        news = await self._take_news(batch)
        if batch.closed is None and not batch.is_over and time.time() >= batch.deadline:
            await self.close(batch, "deadline")
        return news or batch.closed is not None

    async def _take_news(self, batch: Batch) -> bool:
        """Take in what finished since the last look, and whether the batch was closed; True when something finished."""
        stream = ledger.stream_key(batch.id)
        after = b"-" if batch.last_entry == b"0" else b"(" + batch.last_entry
        async with self.redis.pipeline(transaction=False) as pipeline:
            pipeline.get(ledger.closed_key(batch.id))
            pipeline.xrange(stream, after)
            closed, entries = cast("tuple[bytes | None, _Entries]", await pipeline.execute())
        finished: list[str] = []
        for entry, values in entries:
            batch.last_entry = entry
            key = values[b"k"].decode()
            if b"r" in values:
                batch.known[key] = Record.unpack(values[b"r"])
            else:
                finished.append(key)
        finished = [key for key in finished if key not in batch.known]
        await self._take_known(batch, finished)
        for key in finished:
            batch.known.setdefault(key, _lost(batch))
        if closed is not None:
            batch.closed = closed.decode()
        return bool(entries)

    async def close(self, batch: Batch, reason: str) -> None:
        """End a batch now; what only it waited for is not done. The first reason stands."""
        life = self._life(batch.deadline)
        await self._close(args=[batch.id, reason, life, *batch.missing])
        await self._take_news(batch)  # what finished before it was closed keeps its result
        batch.closed = batch.closed or reason

    async def wait(
        self, batch: Batch, until: float, plan: Plan | None = None, gone: Gone | None = None, *, each: bool = True
    ) -> AsyncIterator[None]:
        """Yield whenever the batch has news, until it is over or the clock (epoch seconds) says `until`.

        Without `each`, items that finish before the last one may be gathered for a while. With its plan, work that a
        restarted Redis forgot is queued again. `gone` tells that the client has hung up.
        """
        epoch = self.hub.epoch
        with self.hub.watch(batch.id) as watch:
            while True:
                watch.begin()
                if await self.refresh(batch):
                    yield
                now = time.time()
                if batch.is_over or now >= until:
                    return
                if plan is not None and self.hub.epoch != epoch:
                    epoch = self.hub.epoch
                    await self.submit_again(plan, batch)
                pause = min(until, batch.deadline, now + (LOOK_S if each else GATHER_S)) - now
                try:
                    await watch.wait(1 if each else len(batch.missing), max(0.01, pause))
                    if each:
                        await asyncio.sleep(min(0.02, len(batch.keys) / 10_000))  # several finish together
                except TimeoutError:
                    if gone is not None and await gone():
                        return

    async def submit_again(self, plan: Plan, batch: Batch) -> None:
        """After Redis was away: make sure everything is still there."""
        async with self.redis.pipeline(transaction=False) as pipeline:
            for content_id, reference in plan.references.items():
                await self.keep_reference(content_id, reference, pipeline)
            await self._keep_batch(batch, self._life(plan.deadline), pipeline)
            await pipeline.execute()
        await self.enqueue(plan, batch.missing)

    async def finish(self, batch: Batch, until: float, plan: Plan | None = None, gone: Gone | None = None) -> None:
        """Wait for the end of a batch, or until the clock says `until`."""
        async for _ in self.wait(batch, until, plan, gone, each=False):
            pass


def _count(batch: Batch, missing: int, fresh: int) -> None:
    """Count a batch's items by where their results come from."""
    local, cached = len(batch.local), sum(key in batch.hits for key in batch.keys if key is not None)
    sources = {"no_code": local, "cache": cached, "fresh": fresh, "joined": missing - fresh}
    sources["equal"] = len(batch.keys) - local - cached - missing
    for source, count in sources.items():
        HITS.labels(source).inc(count)


def _lost(batch: Batch) -> Record:
    """A result that is announced but gone: its time was over, or Redis forgot it. Retryable, no reward."""
    return Record.of(
        ItemResult(
            status=Status.WORKER_ERROR,
            reward=None,
            normalized=None,
            error=ItemError(type="ResultExpired", message="the result is no longer stored; send the item again"),
            profile=batch.profile,
            runtime=batch.runtime,
            engine=__version__,
        )
    )


def busy() -> ProblemError:
    """What a compatibility route answers when its clock ran out."""
    return unavailable("not finished in time; the work goes on, the same request will join it", code="deadline")
