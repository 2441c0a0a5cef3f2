"""HTTP to one service: a connection pool, and one place that decides what is worth another attempt, and when."""

from __future__ import annotations

import asyncio
import email.utils
import random
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import httpx
from pydantic import ValidationError

from chartreward import __version__
from chartreward.errors import ProtocolError, RejectedError, UnauthorizedError, UnavailableError
from chartreward.models import Problem

RETRYABLE = frozenset({408, 425, 429, 500, 502, 503, 504})
FIRST_PAUSE_S = 0.25
LONGEST_PAUSE_S = 20.0
LONGEST_RETRY_AFTER_S = 120.0
CONNECT_TIMEOUT_S = 10.0


class TryAgain(Exception):  # noqa: N818  a signal between this package's modules, never raised to users
    """This attempt failed in a way that another attempt may cure."""

    def __init__(self, why: str, *, retry_after_s: float | None = None) -> None:
        super().__init__(why)
        self.retry_after_s = retry_after_s


class Patience:
    """How long to go on without any progress: `pause` sleeps before the next attempt, or raises `UnavailableError`."""

    def __init__(self, seconds: float, url: str) -> None:
        self._seconds = seconds
        self._url = url
        self.progress()

    def progress(self) -> None:
        """Something useful arrived: start counting anew."""
        self._since = time.monotonic()
        self._attempts = 0

    async def pause(self, failure: TryAgain) -> None:
        """Wait with jitter, twice as long each time, at least as long as the service asked."""
        self._attempts += 1
        wait = min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2 ** min(self._attempts - 1, 16)) * random.uniform(0.5, 1.0)
        if failure.retry_after_s is not None:
            # Jitter on top: those who were turned away together should not come back together.
            wait = max(wait, min(failure.retry_after_s, LONGEST_RETRY_AFTER_S) * random.uniform(1.0, 1.25))
        left = self._since + self._seconds - time.monotonic()
        if left <= 0:
            tried = f"{self._seconds:g} s and {self._attempts} attempts"
            raise UnavailableError(f"{self._url} gave no usable answer in {tried}; the last: {failure}") from failure
        await asyncio.sleep(min(wait, left))


class Transport:
    """Requests to `url`, one attempt each, on one event loop. Raises `TryAgain` for what another attempt may cure."""

    def __init__(self, url: str, *, key: str | None, attempt_timeout_s: float, connections: int) -> None:
        headers = {"User-Agent": f"chartreward/{__version__}"}
        if key:
            headers["Authorization"] = f"Bearer {key}"
        self.url = url
        self._http = httpx.AsyncClient(
            base_url=url,
            headers=headers,
            timeout=httpx.Timeout(attempt_timeout_s, connect=min(CONNECT_TIMEOUT_S, attempt_timeout_s), pool=None),
            limits=httpx.Limits(
                max_connections=connections, max_keepalive_connections=connections, keepalive_expiry=30
            ),
        )

    async def close(self) -> None:
        """Close all connections."""
        await self._http.aclose()

    async def request(
        self,
        method: str,
        path: str,
        *,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        params: Mapping[str, Any] | None = None,
    ) -> httpx.Response:
        """One attempt; the answer is a success and fully read."""
        async with self.stream(method, path, body=body, headers=headers, params=params) as response:
            await response.aread()
            return response

    @asynccontextmanager
    async def stream(
        self,
        method: str,
        path: str,
        *,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        params: Mapping[str, Any] | None = None,
    ) -> AsyncIterator[httpx.Response]:
        """One attempt whose body the caller reads. Failures while it reads are `TryAgain`, too."""
        sent = {"Content-Type": "application/json", **(headers or {})} if body is not None else dict(headers or {})
        try:
            async with self._http.stream(method, path, content=body, headers=sent, params=params) as response:
                if not response.is_success:
                    await response.aread()
                    raise failure_of(response)
                yield response
        except (httpx.InvalidURL, httpx.UnsupportedProtocol) as error:
            raise ProtocolError(f"{self.url}: {error}") from error
        except (httpx.TransportError, httpx.StreamError) as error:
            raise TryAgain(f"{type(error).__name__}: {error}".rstrip(": ")) from error


def failure_of(response: httpx.Response) -> Exception:
    """The exception that an answer other than 2xx means: `TryAgain`, or what the caller should see."""
    problem = _problem(response)
    status = response.status_code
    # A quota smaller than the batch is a 429 that no retry cures; the service says so.
    hopeless = status == 429 and "retryable" in problem.model_fields_set and not problem.retryable
    if problem.retryable or (status in RETRYABLE and not hopeless):
        return TryAgain(f"{status} {problem.detail}", retry_after_s=retry_after_s(response))
    if status in (401, 403):
        return UnauthorizedError(problem)
    if response.is_redirect:
        return ProtocolError(f"{response.url} redirects to {response.headers.get('location')}: use that URL instead")
    return RejectedError(problem)


def retry_after_s(response: httpx.Response) -> float | None:
    """`Retry-After` in seconds, given as a number or as a date; `None` when absent or unreadable."""
    value = response.headers.get("Retry-After", "").strip()
    try:
        return max(0.0, float(value))
    except ValueError:
        pass
    try:
        return max(0.0, email.utils.parsedate_to_datetime(value).timestamp() - time.time())
    except ValueError:
        return None


def _problem(response: httpx.Response) -> Problem:
    try:
        return Problem.model_validate_json(response.content)
    except ValidationError:
        text = response.text.strip()[:300] or response.reason_phrase
        return Problem(title=response.reason_phrase, status=response.status_code, detail=text, code="http_error")
