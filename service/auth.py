"""Who asks, and how much they may ask for."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import time

from redis.asyncio import Redis
from starlette.datastructures import Headers, QueryParams

from service.problems import ProblemError
from service.settings import ServiceSettings

PAGE = "/"  # its files, below /assets/, too: they hold no data, and ask for a key themselves
HEALTH_PATHS = frozenset({"/healthz", "/readyz", "/health", "/ping", "/v1/ping", "/metrics"})


def sha256_hex(key: str) -> str:
    """How a key is stored."""
    return hashlib.sha256(key.encode()).hexdigest()


def presented_key(headers: Headers, query: QueryParams) -> str | None:
    """The key of a request: bearer token, Basic password (or user, when there is no password), or `?token=`."""
    scheme, _, value = headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer" and value:
        return value.strip()
    if scheme.lower() == "basic":
        try:
            user, _, password = base64.b64decode(value, validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError, ValueError):
            return None
        return password or user or None
    return query.get("token")


def authenticate(settings: ServiceSettings, path: str, headers: Headers, query: QueryParams) -> str:
    """The name of the key's owner; `anonymous` where no key is needed. Raises ProblemError (401)."""
    is_page = path == PAGE or path.startswith("/assets/")
    is_health = path in HEALTH_PATHS and not settings.auth_health
    if not settings.api_keys or is_page or is_health:
        return "anonymous"
    key = presented_key(headers, query)
    digest = sha256_hex(key) if key else ""
    owner = None
    for name, known in settings.api_keys.items():
        if hmac.compare_digest(digest, known.lower()):
            owner = name
    if owner is None:
        detail = "give an API key: `Authorization: Bearer KEY`, Basic with the key as password, or ?token=KEY"
        raise ProblemError(401, "unauthorized", detail, headers={"WWW-Authenticate": 'Bearer realm="chartreward"'})
    return owner


async def take_quota(redis: Redis, settings: ServiceSettings, owner: str, items: int) -> None:
    """Count items against the owner's minute. Raises ProblemError (429)."""
    limit = settings.quota_items_per_minute
    if limit is None:
        return
    now = time.time()
    key = f"cr:quota:{owner}:{int(now // 60)}"  # expires by itself
    async with redis.pipeline() as pipeline:
        pipeline.incrby(key, items)
        pipeline.expire(key, 120)
        used, _ = await pipeline.execute()
    if used > limit:
        await redis.decrby(key, items)
        detail = f"{owner} may submit {limit} items a minute; this request has {items} and {used - items} were sent"
        raise ProblemError(429, "quota_exceeded", detail, retryable=items <= limit, retry_after=60 - now % 60)
