"""From items to results: chunks, posts, streams that resume, second attempts. All on one event loop; see `client`."""

from __future__ import annotations

import asyncio
import json
import time
import uuid
from collections.abc import AsyncGenerator, Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import httpx
from pydantic import ValidationError

from chartreward.completions import completion_text
from chartreward.errors import ItemInputError, LabelError, ProtocolError, RejectedError, UnavailableError
from chartreward.keys import reference_id
from chartreward.labels import as_reference
from chartreward.models import (
    MAX_COMPLETION_CHARS,
    Batch,
    BatchStatus,
    Item,
    ItemError,
    ItemResult,
    Limits,
    Priority,
    Profile,
    Reference,
    Returnable,
    Status,
)
from chartreward.transport import Patience, Transport, TryAgain

CHUNK_CHARS = 8_000_000
LINGER_S = 0.01  # how long a single item waits for company
POLL_WAIT_S = 20.0


@dataclass(frozen=True, slots=True)
class Options:
    """What a client asks for and how hard it tries; `RewardClient` documents each."""

    profile: str | Profile = "chartsimrl"
    runtime: str | None = None
    limits: Limits = field(default_factory=Limits)
    returns: tuple[Returnable, ...] = ()
    priority: Priority = "default"
    deadline_s: float = 600.0
    batch_size: int = 64
    concurrency: int = 8
    attempt_timeout_s: float = 60.0
    patience_s: float = 300.0
    item_attempts: int = 2
    errors: Literal["raise", "result"] = "raise"


@dataclass(frozen=True, slots=True)
class Entry:
    """One item on its way: its place in the caller's list, and its reference by content."""

    index: int
    item: Item
    reference: Reference

    @property
    def chars(self) -> int:
        """Size of what must be sent for it, without the reference."""
        return len(self.item.code or "") + len(self.item.completion or "")


Deliver = Callable[[ItemResult], None]


def entries_of(items: Iterable[Any]) -> list[Entry]:
    """Check and number items: `Item`, mappings with its fields, or (completion, reference) pairs.

    A completion may be a list of chat messages; a reference whatever `labels.as_reference` takes. Raises
    `ItemInputError`.
    """
    entries = []
    for index, item in enumerate(items):
        try:
            entries.append(_entry(index, item))
        except LabelError as error:
            raise ItemInputError(f"item {index}: {error}") from error
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(map(str, first["loc"]))
            raise ItemInputError(f"item {index}: {where + ': ' if where else ''}{first['msg']}") from error
    return entries


def _entry(index: int, item: Any) -> Entry:
    if isinstance(item, Item):
        fields: dict[str, Any] = {name: getattr(item, name) for name in item.model_fields_set}
    elif isinstance(item, Mapping):
        fields = dict(item)
    elif isinstance(item, Sequence) and not isinstance(item, str) and len(item) == 2:
        fields = {"completion": item[0], "reference": item[1]}
    else:
        raise ItemInputError(
            f"item {index} is neither an Item, a mapping, nor a (completion, reference) pair: {item!r:.80}"
        )
    if fields.get("completion") is not None:
        # The answer is at the end; what the policy rambles before it must not stop the run.
        fields["completion"] = _unicode(completion_text(fields["completion"])[-MAX_COMPLETION_CHARS:])
    if isinstance(fields.get("code"), str):
        fields["code"] = _unicode(fields["code"])
    if fields.get("reference") is None:
        raise ItemInputError(f"item {index} has no reference")
    reference = as_reference(fields["reference"])
    return Entry(index, Item.model_validate({**fields, "reference": reference}), reference)


def _unicode(text: str) -> str:
    """A tokenizer's lone surrogates are no Unicode text: they become "?" rather than an exception."""
    return text.encode("utf-8", "replace").decode("utf-8")


def chunked(entries: Sequence[Entry], size: int) -> Iterator[list[Entry]]:
    """Split in order into chunks of at most `size` items and about `CHUNK_CHARS` characters."""
    chunk: list[Entry] = []
    chars = 0
    for entry in entries:
        if chunk and (len(chunk) >= size or chars + entry.chars > CHUNK_CHARS):
            yield chunk
            chunk, chars = [], 0
        chunk.append(entry)
        chars += entry.chars + (len(entry.reference.code or "") if len(chunk) == 1 else 0)
    if chunk:
        yield chunk


class Scorer:
    """All work of one client in one process. Every method runs on the background loop."""

    def __init__(self, transport: Transport, options: Options) -> None:
        self._transport = transport
        self._options = options
        self._slots = asyncio.Semaphore(options.concurrency)
        self._uploads: dict[str, asyncio.Task[str]] = {}
        self._waiting: list[tuple[Entry, asyncio.Future[ItemResult]]] = []
        self._flushes: set[asyncio.Task[None]] = set()

    @property
    def transport(self) -> Transport:
        """For requests that score nothing."""
        return self._transport

    async def close(self) -> None:
        """Cancel what is under way and close the connections."""
        for task in [*self._flushes, *self._uploads.values()]:
            task.cancel()
        await self._transport.close()

    async def stream(self, entries: Sequence[Entry]) -> AsyncGenerator[ItemResult, None]:
        """Yield each entry's result once, as they finish; `index` is the entry's."""
        results: asyncio.Queue[ItemResult | Exception | None] = asyncio.Queue()

        async def run(chunk: list[Entry]) -> None:
            try:
                await self._score(chunk, results.put_nowait)
                results.put_nowait(None)
            except Exception as error:  # handed to the caller below
                results.put_nowait(error)

        tasks = [asyncio.create_task(run(chunk)) for chunk in chunked(entries, self._options.batch_size)]
        left = len(tasks)
        try:
            while left:
                result = await results.get()
                if isinstance(result, Exception):
                    raise result
                if result is None:
                    left -= 1
                else:
                    yield result
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def one(self, entry: Entry) -> ItemResult:
        """Score one entry, together with others that ask at the same time."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[ItemResult] = loop.create_future()
        self._waiting.append((entry, future))
        if len(self._waiting) >= self._options.batch_size:
            self._flush()
        elif len(self._waiting) == 1:
            loop.call_later(LINGER_S, self._flush_if_free)
        return await future

    def _flush_if_free(self) -> None:
        """Send what waits, unless every request is taken: then more gathers until one of them ends."""
        if len(self._flushes) < self._options.concurrency:
            self._flush()

    def _flushed(self, task: asyncio.Task[None]) -> None:
        self._flushes.discard(task)
        if self._waiting and not task.cancelled():
            self._flush_if_free()

    def _flush(self) -> None:
        waiting = [(entry, future) for entry, future in self._waiting if not future.done()]
        self._waiting = []
        if waiting:
            task = asyncio.create_task(self._score_waiting(waiting))
            self._flushes.add(task)
            task.add_done_callback(self._flushed)

    async def _score_waiting(self, waiting: list[tuple[Entry, asyncio.Future[ItemResult]]]) -> None:
        """Score a coalesced batch. One that is refused is tried item by item: strangers do not fail together."""

        def deliver(result: ItemResult) -> None:
            entry, future = waiting[result.index]
            if not future.done():
                future.set_result(result.model_copy(update={"index": entry.index}))

        try:
            for chunk in chunked([replace(e, index=i) for i, (e, _) in enumerate(waiting)], len(waiting)):
                await self._score(chunk, deliver)
        except RejectedError as error:
            if len(waiting) > 1:
                await asyncio.gather(*(self._score_waiting([one]) for one in waiting if not one[1].done()))
            else:
                waiting[0][1].set_exception(error)
        except BaseException as error:
            for _, future in waiting:
                if not future.done():
                    future.set_exception(error) if isinstance(error, Exception) else future.cancel()
            if not isinstance(error, Exception):
                raise

    async def _score(self, chunk: list[Entry], deliver: Deliver) -> None:
        """Deliver one result an entry; those that failed on the service's side get further attempts."""
        missing = {entry.index: entry for entry in chunk}
        for attempt in range(1, self._options.item_attempts + 1):

            def settle(result: ItemResult, last: bool = attempt == self._options.item_attempts) -> None:
                if last or result.status is not Status.WORKER_ERROR:
                    missing.pop(result.index)
                    deliver(result)

            try:
                async with self._slots:
                    await Submission(self, list(missing.values()), settle).run()
            except UnavailableError as error:
                if self._options.errors == "raise":
                    raise
                for entry in missing.values():
                    deliver(_unavailable(entry, error))
                return
            if not missing:
                return
            await asyncio.sleep(min(5.0, 0.5 * attempt))

    # --- references --------------------------------------------------------------------------

    async def upload(self, reference: Reference) -> str:
        """Register a reference unless this client has; return its id. Equal content is sent once, however many ask."""
        if reference.id is not None:
            return reference.id
        content = reference_id(reference)
        task = self._uploads.get(content)
        if task is None or (task.done() and (task.cancelled() or task.exception() is not None)):
            task = self._uploads[content] = asyncio.create_task(self._upload(reference))
        return await asyncio.shield(task)

    def forget_uploads(self) -> bool:
        """Forget what was registered (the service has); false when there was nothing to forget."""
        had = bool(self._uploads)
        self._uploads = {}
        return had

    async def _upload(self, reference: Reference) -> str:
        body = reference.model_dump_json(exclude_none=True).encode()
        answer = await self.ask("POST", "v1/references", body=body)
        try:
            return str(answer.json()["id"])
        except (ValueError, KeyError, TypeError) as error:
            raise ProtocolError(f"{answer.url} answered no reference id: {answer.text[:200]}") from error

    async def ask(self, method: str, path: str, *, body: bytes | None = None) -> httpx.Response:
        """A request that scores nothing, with patience."""
        patience = Patience(self._options.patience_s, self._transport.url)
        while True:
            try:
                return await self._transport.request(method, path, body=body)
            except TryAgain as failure:
                await patience.pause(failure)

    @property
    def options(self) -> Options:
        """The options of the client."""
        return self._options


class Submission:
    """One chunk as one batch of the service, followed until every result is here."""

    def __init__(self, scorer: Scorer, entries: list[Entry], deliver: Deliver) -> None:
        self._scorer = scorer
        self._transport = scorer.transport
        self._options = scorer.options
        self._entries = entries
        self._missing = set(range(len(entries)))
        self._deliver = deliver
        self._patience = Patience(self._options.patience_s, self._transport.url)
        self._location: str | None = None  # of the batch, once the service has told

    async def run(self) -> None:
        """Post, read the stream, and follow the batch after a broken one; raises `UnavailableError` in the end."""
        allowed_s = self._options.deadline_s + self._options.patience_s
        try:
            async with asyncio.timeout(allowed_s):
                body, key = await self._body(), uuid.uuid4().hex
                while self._missing:
                    try:
                        if self._location is None:
                            await self._post(body, key)
                        else:
                            await self._follow()
                    except TryAgain as failure:
                        await self._patience.pause(failure)
                    except RejectedError as refusal:
                        if refusal.problem.code != "unknown_reference" or not self._scorer.forget_uploads():
                            raise
                        # The service lost its references (restarted with an empty Redis): give them again.
                        body, key = await self._body(), uuid.uuid4().hex
        except TimeoutError as error:
            raise UnavailableError(
                f"{self._transport.url} left {len(self._missing)} of {len(self._entries)} items unfinished "
                f"after {allowed_s:g} s"
            ) from error

    async def _body(self) -> bytes:
        """The request as JSON. Scripts travel in it, each once; pictures are registered and named by id."""
        options = self._options
        references: dict[str, Any] = {}
        items: list[dict[str, Any]] = []
        for entry in self._entries:
            reference = entry.reference
            item: dict[str, Any] = entry.item.model_dump(include={"id", "code", "completion"}, exclude_none=True)
            if reference.code is not None:
                item["reference"] = reference_id(reference)
                references[item["reference"]] = {"code": reference.code}
            else:
                item["reference"] = {"id": await self._scorer.upload(reference)}
            items.append(item)
        request: dict[str, Any] = {
            "items": items,
            "references": references,
            "profile": options.profile if isinstance(options.profile, str) else options.profile.model_dump(mode="json"),
            "limits": options.limits.model_dump(exclude_none=True),
            "return": list(options.returns),
            "priority": options.priority,
            "deadline_s": options.deadline_s,
        }
        if options.runtime is not None:
            request["runtime"] = options.runtime
        return json.dumps(request, ensure_ascii=False, allow_nan=False).encode()

    async def _post(self, body: bytes, key: str) -> None:
        # The same key on every attempt: the service answers with the batch it has, if an earlier attempt got through.
        headers = {"Accept": "application/x-ndjson", "Idempotency-Key": key}
        async with self._transport.stream("POST", "v1/rewards", body=body, headers=headers) as response:
            self._location = _location(response)
            kind = response.headers.get("Content-Type", "").partition(";")[0].strip().lower()
            if kind == "application/json":
                await response.aread()
                self._take_batch(response)
                return
            if kind != "application/x-ndjson":
                raise ProtocolError(
                    f"{response.url} answered {kind or 'no content type'}, not results: is it ChartReward?"
                )
            rest = b""
            async for data in response.aiter_bytes():
                *lines, rest = (rest + data).split(b"\n")
                for line in lines:
                    self._take_line(line)
            self._take_line(rest)
        if self._missing:
            raise TryAgain(f"the stream ended with {len(self._missing)} results missing")

    async def _follow(self) -> None:
        assert self._location is not None
        asked = time.monotonic()
        wait = min(POLL_WAIT_S, self._options.attempt_timeout_s / 2)
        try:
            response = await self._transport.request("GET", self._location, params={"wait": f"{wait:g}"})
        except RejectedError as refusal:
            if refusal.problem.status != 404:
                raise
            self._location = None  # the service restarted without its memory: post again
            raise TryAgain(f"the service forgot the batch ({refusal})") from refusal
        if self._take_batch(response) is BatchStatus.RUNNING:
            self._patience.progress()  # it lives and knows the batch; the deadline bounds the rest
            await asyncio.sleep(max(0.0, 0.5 - (time.monotonic() - asked)))
        elif self._missing:
            raise ProtocolError(f"{response.url} says the batch is over, but {len(self._missing)} results are missing")

    def _take_batch(self, response: httpx.Response) -> BatchStatus:
        try:
            batch = Batch.model_validate_json(response.content)
        except ValidationError as error:
            raise ProtocolError(f"{response.url} answered no batch: {_why(error)}") from error
        self._location = self._location or f"v1/rewards/{batch.id}"
        for result in batch.results:
            self._take(result)
        return batch.status

    def _take_line(self, line: bytes) -> None:
        if not line.strip():
            return  # a heartbeat, or the end
        try:
            self._take(ItemResult.model_validate_json(line))
        except ValidationError as error:
            if line.endswith(b"}"):
                raise ProtocolError(f"{self._transport.url} sent a line that is no result: {_why(error)}") from error
            raise TryAgain("the stream broke off inside a result") from error

    def _take(self, result: ItemResult) -> None:
        if result.index not in self._missing:
            if 0 <= result.index < len(self._entries):
                return  # seen before the stream broke
            raise ProtocolError(f"{self._transport.url} answered item {result.index} of {len(self._entries)}")
        self._missing.remove(result.index)
        self._patience.progress()
        self._deliver(result.model_copy(update={"index": self._entries[result.index].index}))


def _location(response: httpx.Response) -> str | None:
    path = str(response.headers.get("Location", "")).rpartition("/v1/rewards/")[2]
    return f"v1/rewards/{path}" if path else None


def _why(error: ValidationError) -> str:
    first = error.errors()[0]
    return f"{'.'.join(map(str, first['loc']))}: {first['msg']}"


def _unavailable(entry: Entry, error: UnavailableError) -> ItemResult:
    """What the caller gets with `errors="result"`: no reward, and why."""
    return ItemResult(
        id=entry.item.id,
        index=entry.index,
        status=Status.WORKER_ERROR,
        reward=None,
        normalized=None,
        error=ItemError(type=type(error).__name__, message=str(error)),
    )
