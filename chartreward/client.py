"""The client that trainers use.

    from chartreward.client import RewardClient

    with RewardClient("http://rewards:8000", key="...") as client:
        client.wait_for_ready()
        results = client.score([(completion, reference) for completion, reference in rollouts])
        rewards = [result.reward for result in results]          # None: the service failed, not the code

A completion is a string or chat messages, or use `{"code": ...}`. A reference is a registered id, a script, a picture
(bytes, PIL, numpy, path) or a dataset's label: see `chartreward.labels`. `AsyncRewardClient` has the same methods as
coroutines. Both may be used from any thread, any event loop (a new one each step included) and after a fork.

What happens when the service stumbles: 408, 425, 429 and 5xx answers, refused, reset and silent connections are tried
again with jitter, honouring `Retry-After`, until `patience_s` passed without progress. A batch is posted under one
Idempotency-Key and a broken stream resumes where it broke: nothing is scored twice, each item is answered once. An item
that failed on the service's side (`worker_error`) is sent again `item_attempts - 1` times. What remains is an
`UnavailableError`, or with `errors="result"` results whose reward is None. Never a made-up 0.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Iterator, Mapping, Sequence
from contextlib import aclosing
from types import TracebackType
from typing import Any, Literal, Self

import httpx

from chartreward.background import BackgroundLoop, background_loop, keep_inherited
from chartreward.batches import Entry, Options, Scorer, entries_of
from chartreward.errors import NotReadyError, ProtocolError, UnavailableError
from chartreward.labels import as_reference
from chartreward.models import Item, ItemResult, Limits, Priority, Profile, Returnable
from chartreward.progress import progress_bar
from chartreward.transport import Patience, Transport, TryAgain

DEFAULT_URL = "http://127.0.0.1:8000"
ItemLike = Item | Mapping[str, Any] | Sequence[Any]


class _Client:
    """What both clients share: options, and one `Scorer` a process."""

    def __init__(
        self,
        url: str | None = None,
        *,
        key: str | None = None,
        profile: str | Profile = "chartsimrl",
        runtime: str | None = None,
        limits: Limits | Mapping[str, Any] | None = None,
        returns: Sequence[Returnable] = (),
        priority: Priority = "default",
        deadline_s: float = 600.0,
        batch_size: int = 64,
        concurrency: int = 8,
        attempt_timeout_s: float = 60.0,
        patience_s: float = 300.0,
        item_attempts: int = 2,
        errors: Literal["raise", "result"] = "raise",
        progress: bool | None = None,
    ) -> None:
        """`url` and `key` default to `CHARTREWARD_URL` and `CHARTREWARD_KEY` of the environment.

        profile: name, `name@version` or an inline recipe. runtime: `None` for the service's default.
        returns: extras of each result ("description", "render", "evidence"). deadline_s: the service gives up on a
        batch after this long. batch_size, concurrency: items a request, requests at once. attempt_timeout_s: silence
        on a connection before it is given up. patience_s: how long to go on without progress. item_attempts: how often
        an item is sent that fails on the service's side. errors: "raise" `UnavailableError` at last, or answer with
        results that have no reward. progress: a bar on stderr; `None` means when that is a terminal.
        """
        self._url, from_url = _url_and_token(url or os.environ.get("CHARTREWARD_URL") or DEFAULT_URL)
        self._key = key or from_url or os.environ.get("CHARTREWARD_KEY") or None
        self._progress = progress
        if batch_size < 1 or concurrency < 1 or item_attempts < 1:
            raise ValueError("batch_size, concurrency and item_attempts must be at least 1")
        self._options = Options(
            profile=profile,
            runtime=runtime,
            limits=limits if isinstance(limits, Limits) else Limits.model_validate(limits or {}),
            returns=tuple(returns),
            priority=priority,
            deadline_s=deadline_s,
            batch_size=batch_size,
            concurrency=concurrency,
            attempt_timeout_s=attempt_timeout_s,
            patience_s=patience_s,
            item_attempts=item_attempts,
            errors=errors,
        )
        self._running: tuple[BackgroundLoop, Scorer] | None = None

    @property
    def url(self) -> str:
        """Where the service is, without credentials in the query."""
        return self._url

    def __getstate__(self) -> dict[str, Any]:
        """Pickles without its connections: trainers send reward functions to other processes."""
        return {**self.__dict__, "_running": None}

    async def _start(self, loop: BackgroundLoop) -> Scorer:
        transport = Transport(
            self._url,
            key=self._key,
            attempt_timeout_s=self._options.attempt_timeout_s,
            connections=self._options.concurrency + 4,
        )
        scorer = Scorer(transport, self._options)
        self._running = (loop, scorer)
        return scorer

    async def _scorer(self) -> Scorer:
        """The scorer of this process; called on its background loop."""
        loop = background_loop()
        if self._running is not None and self._running[0] is loop:
            return self._running[1]
        if self._running is not None:
            keep_inherited(self._running)
        return await self._start(loop)

    async def _stream(self, entries: list[Entry]) -> AsyncGenerator[ItemResult, None]:
        async with aclosing((await self._scorer()).stream(entries)) as results:
            async for result in results:
                yield result

    async def _one(self, item: ItemLike) -> ItemResult:
        return await (await self._scorer()).one(entries_of([item])[0])

    async def _register(self, reference: Any) -> str:
        return await (await self._scorer()).upload(as_reference(reference))

    async def _info(self) -> dict[str, Any]:
        response = await (await self._scorer()).ask("GET", "v1/info")
        try:
            return dict(response.json())
        except (ValueError, TypeError) as error:
            raise ProtocolError(f"{response.url} answered no JSON object: is it ChartReward?") from error

    async def _wait_for_ready(self, timeout_s: float) -> None:
        scorer = await self._scorer()
        patience = Patience(timeout_s, self._url)
        while True:
            try:
                await scorer.transport.request("GET", "readyz")
                return
            except TryAgain as failure:
                try:
                    await patience.pause(failure)
                except UnavailableError as error:
                    raise NotReadyError(str(error)) from failure

    async def _close(self) -> None:
        if self._running is not None and self._running[0] is background_loop():
            await self._running[1].close()
        self._running = None

    async def _score(self, items: Iterable[ItemLike]) -> list[ItemResult]:
        entries = entries_of(items)
        results: dict[int, ItemResult] = {}
        with progress_bar(self._progress, len(entries), "scoring") as advance:
            async with aclosing(self._stream(entries)) as finished:
                async for result in finished:
                    results[result.index] = result
                    advance()
        return [results[entry.index] for entry in entries]


async def _next(results: AsyncGenerator[ItemResult, None]) -> ItemResult | None:
    return await anext(results, None)


async def _finish(results: AsyncGenerator[ItemResult, None]) -> None:
    while True:
        try:
            return await results.aclose()
        except RuntimeError:  # the step that the caller's cancellation interrupted is still tidying up
            await asyncio.sleep(0.01)


def _url_and_token(url: str) -> tuple[str, str | None]:
    """Split `?token=...` off, as URL-only clients write it."""
    try:
        parsed = httpx.URL(url.strip())
    except httpx.InvalidURL as error:
        raise ValueError(f"{url!r} is no URL: {error}") from error
    if parsed.scheme not in ("http", "https") or not parsed.host:
        raise ValueError(f"{url!r} is no http:// or https:// URL")
    token = parsed.params.get("token")
    return str(parsed.copy_with(query=None, fragment=None)).rstrip("/"), token


class RewardClient(_Client):
    """Scores from plain code; see the module's docstring. Use as a context manager, or call `close`."""

    def score(self, items: Iterable[ItemLike]) -> list[ItemResult]:
        """Score items and return their results in the same order. Raises `ChartRewardError`s."""
        return background_loop().run(self._score(items))

    def stream(self, items: Iterable[ItemLike]) -> Iterator[ItemResult]:
        """Yield each result as it finishes; `index` is the item's place in `items`."""
        loop = background_loop()
        results = self._stream(entries_of(items))
        try:
            while (result := loop.run(_next(results))) is not None:
                yield result
        finally:
            loop.run(_finish(results))

    def score_one(self, item: ItemLike) -> ItemResult:
        """Score one item; calls from several threads travel together."""
        return background_loop().run(self._one(item))

    def register(self, reference: Any) -> str:
        """Register a reference (anything `labels.as_reference` takes) and return its id."""
        return background_loop().run(self._register(reference))

    def info(self) -> dict[str, Any]:
        """`GET /v1/info`: versions, limits, runtimes, backbones."""
        return background_loop().run(self._info())

    def wait_for_ready(self, timeout_s: float = 300.0) -> None:
        """Return once the service can score; raises `NotReadyError` after `timeout_s` seconds."""
        background_loop().run(self._wait_for_ready(timeout_s))

    def close(self) -> None:
        """Close the connections. The client may be used again; it opens new ones."""
        background_loop().run(self._close())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()


class AsyncRewardClient(_Client):
    """Scores from coroutines, on any event loop; see the module's docstring."""

    async def score(self, items: Iterable[ItemLike]) -> list[ItemResult]:
        """Score items and return their results in the same order. Raises `ChartRewardError`s."""
        return await background_loop().run_async(self._score(items))

    async def stream(self, items: Iterable[ItemLike]) -> AsyncIterator[ItemResult]:
        """Yield each result as it finishes; `index` is the item's place in `items`."""
        loop = background_loop()
        results = self._stream(entries_of(items))
        try:
            while (result := await loop.run_async(_next(results))) is not None:
                yield result
        finally:
            await loop.run_async(_finish(results))

    async def score_one(self, item: ItemLike) -> ItemResult:
        """Score one item; concurrent calls travel together, `batch_size` a request."""
        return await background_loop().run_async(self._one(item))

    async def register(self, reference: Any) -> str:
        """Register a reference (anything `labels.as_reference` takes) and return its id."""
        return await background_loop().run_async(self._register(reference))

    async def info(self) -> dict[str, Any]:
        """`GET /v1/info`: versions, limits, runtimes, backbones."""
        return await background_loop().run_async(self._info())

    async def wait_for_ready(self, timeout_s: float = 300.0) -> None:
        """Return once the service can score; raises `NotReadyError` after `timeout_s` seconds."""
        await background_loop().run_async(self._wait_for_ready(timeout_s))

    async def close(self) -> None:
        """Close the connections. The client may be used again; it opens new ones."""
        await background_loop().run_async(self._close())

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        await self.close()
