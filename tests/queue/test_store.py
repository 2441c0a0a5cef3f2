"""What Redis holds: every kind below its cap, counted to the byte, and nothing that stays for ever."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import httpx
import pytest
import redis

from chartreward import ledger, scripts
from tests.queue.conftest import NoopStack, batch

FAR = 1 << 40


@pytest.fixture
def store(noop: NoopStack) -> Iterator[redis.Redis]:
    """The shared stack's Redis, without pictures."""
    client = redis.Redis.from_url(noop.redis_url or "")
    client.delete("cr:kept:png", "cr:bytes:png", *client.scan_iter("cr:png:*"))
    yield client
    client.close()


def keep(client: redis.Redis, name: str, size: int, *, ttl: int = 600, most: int = FAR, once: int = 0) -> None:
    client.eval(scripts.KEEP, 0, "png", name, b"x" * size, ttl, most, once)


def usage(client: redis.Redis, kind: str = "png") -> tuple[int, int]:
    count, size = cast("list[int]", client.eval(scripts.USAGE, 0, kind))
    return count, size


def there(client: redis.Redis) -> set[str]:
    return {key.decode().rpartition(":")[2] for key in client.scan_iter("cr:png:*")}


def test_overwritten_values_are_counted_once(store: redis.Redis) -> None:
    for size in (1000, 10, 5000):
        keep(store, "a", size)
    keep(store, "b", 7)
    keep(store, "b", 9999, once=1)  # there already: left alone
    assert usage(store) == (2, 5007) and store.strlen("cr:png:b") == 7


def test_expired_values_are_counted_no_more(store: redis.Redis) -> None:
    keep(store, "short", 1000, ttl=1)
    keep(store, "long", 50)
    deadline = time.monotonic() + 60
    while usage(store) != (1, 50):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert there(store) == {"long"}
    keep(store, "short", 30)  # again, under the same name
    assert usage(store) == (2, 80)


def test_a_kind_stays_below_its_cap_and_what_was_used_stays(store: redis.Redis) -> None:
    for n in range(10):
        keep(store, f"n{n}", 1000, ttl=600 + n, most=5000)
        if n == 3:
            store.eval(scripts.TOUCH, 0, "png", 5000, "n0", "unknown")
        assert usage(store)[1] <= 5000
    assert there(store) == {"n0", "n6", "n7", "n8", "n9"}
    keep(store, "too large", 6000, most=5000)
    assert usage(store) == (5, 5000) and "too large" not in there(store)


def test_sizes_agree_with_what_is_there_and_everything_ends(noop: NoopStack, store: redis.Redis, mark: str) -> None:
    for count in (300, 300, 40):
        body = batch(mark, count, references=16)
        assert httpx.post(f"{noop.url}/v1/rewards?wait=60", json=body, timeout=90).status_code == 200
    for kind, times in (("res", 1), ("ref", 1), ("batch", 2)):
        keys = list(store.scan_iter(f"cr:{kind}:*", count=1000))
        sizes = {key: store.strlen(key) for key in keys}
        count, size = usage(store, kind)
        lost = [key for key in keys if not store.exists(key)]  # a canary's may end, or begin, while we look
        assert not lost and abs(count - len(keys)) <= 4
        assert abs(size - times * sum(sizes.values())) <= 4 * 20_000
        assert cast("int", store.ttl(f"cr:kept:{kind}")) > 0 and cast("int", store.ttl(f"cr:bytes:{kind}")) > 0
    assert lasting(store) == []


def lasting(client: redis.Redis) -> list[str]:
    """Keys without a time to live that are not declared to have none."""
    names = [key.decode() for key in client.scan_iter(count=1000)]
    without = [name for name in names if client.ttl(name) == -1]
    return [name for name in without if not name.startswith(ledger.LASTING)]


@pytest.mark.slow
def test_caps_bound_the_memory_of_redis(tmp_path: Path) -> None:
    """Batches of 4,096 items, again and again: their records end where the cap is, not after an hour."""
    env = {"CHARTREWARD_KEEP_BATCHES_MB": "16"}
    with NoopStack(tmp_path, workers=1, env=env) as stack, redis.Redis.from_url(stack.redis_url or "") as client:
        item = {"completion": "no code", "reference": "r"}
        body: dict[str, Any] = {"items": [item] * 4096, "references": {"r": {"code": "x"}}}
        ids = [httpx.post(f"{stack.url}/v1/rewards", json=body, timeout=90).json()["id"] for _ in range(12)]
        count, size = usage(client, "batch")
        assert size <= 16 * ledger.MIB and count > 0
        text = httpx.get(f"{stack.url}/metrics").text
        sizes = [line for line in text.splitlines() if line.startswith('chartreward_store_bytes{kind="batches"}')]
        assert len(sizes) == 1 and 0 < float(sizes[0].split()[1]) <= 16 * ledger.MIB
        assert httpx.get(f"{stack.url}/v1/rewards/{ids[0]}").status_code == 404
        assert httpx.get(f"{stack.url}/v1/rewards/{ids[-1]}").json()["done"] == 4096
        assert "chartreward_store_evictions_total" in text


def test_forgotten_items_are_not_counted_as_waiting(noop: NoopStack, store: redis.Redis, mark: str) -> None:
    """An item whose record expired (nobody closed its batch, no worker came) leaves the queue's depth."""
    store.zadd(ledger.INFLIGHT, {mark: time.time() - 10_000})
    deadline = time.monotonic() + 90
    while store.zscore(ledger.INFLIGHT, mark) is not None:
        assert time.monotonic() < deadline
        time.sleep(0.2)
