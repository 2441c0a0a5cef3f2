"""The service and its queue without the engine: `python -m benchmarks.queue_load`. Needs the test environment.

Workers do nothing (tests/queue/noop_worker.py), so this measures HTTP, validation, content keys, Redis, hand-over:

- cached: items a second of a batch that is known altogether; the 99th percentile of single known rewards under load;
- enqueue: seconds until a batch of 2,560 items over 512 references is accepted (202), and until it is done;
- overhead: CPU milliseconds an item, of API, Redis and workers;
- fleet: items a second through N worker processes (`--fleet 64`).
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import psutil

from chartreward.embedded import Stack
from tests.queue.conftest import NoopStack, batch

RESULTS = Path(__file__).with_name("results") / "queue_load.json"
ROUNDS = 5


def cpu_seconds(stack: Stack) -> dict[str, float]:
    """CPU time so far of API, Redis and all workers."""
    found: dict[str, float] = {}
    for name, process in stack.processes.items():
        tree = [psutil.Process(process.pid)]
        tree += tree[0].children(recursive=True)
        found[name] = sum(sum(one.cpu_times()[:2]) for one in tree)
    return found


def post(stack: Stack, body: dict[str, Any], wait: int = 120) -> dict[str, Any]:
    """Submit a batch and hold for it."""
    answer = httpx.post(f"{stack.url}/v1/rewards?wait={wait}", json=body, timeout=300)
    answer.raise_for_status()
    done: dict[str, Any] = answer.json()
    return done


def cached_batch(stack: Stack, items: int = 4096) -> dict[str, float]:
    """A batch known altogether, repeated."""
    body = batch(uuid4().hex, items, references=64)
    post(stack, body)
    content, times = json.dumps(body).encode(), []
    for _ in range(ROUNDS):
        started = time.perf_counter()
        headers = {"Content-Type": "application/json"}
        answer = httpx.post(f"{stack.url}/v1/rewards", content=content, headers=headers, timeout=300)
        times.append(time.perf_counter() - started)
        assert answer.status_code == 200 and len(answer.content) > items
    return {"items": items, "items_per_s": round(items / statistics.median(times))}


async def _singles(url: str, body: dict[str, Any], count: int, at_once: int) -> list[float]:
    gate = asyncio.Semaphore(at_once)
    limits = httpx.Limits(max_connections=at_once)
    async with httpx.AsyncClient(base_url=url, timeout=300, limits=limits) as client:

        async def one() -> float:
            async with gate:
                started = time.perf_counter()
                (await client.post("/v1/rewards", json=body)).raise_for_status()
                return time.perf_counter() - started

        return await asyncio.gather(*(one() for _ in range(count)))


def cached_single(stack: Stack, count: int = 2000, at_once: int = 16) -> dict[str, float]:
    """One known item a request, sixteen requests at once (which is the load)."""
    body = batch(uuid4().hex, 1)
    post(stack, body)
    started = time.perf_counter()
    times = sorted(asyncio.run(_singles(stack.url, body, count, at_once)))
    took = time.perf_counter() - started
    cuts = statistics.quantiles(times, n=100)
    figures = {"p50_ms": cuts[49] * 1000, "p99_ms": cuts[98] * 1000, "requests_per_s": count / took}
    return {"at_once": at_once, **{name: round(value, 1) for name, value in figures.items()}}


def enqueue(stack: Stack, items: int = 2560, references: int = 512) -> dict[str, float]:
    """A rollout of EasyR1's size."""
    accepted, ended = [], []
    for _ in range(ROUNDS):
        body = batch(uuid4().hex, items, references=references)
        started = time.perf_counter()
        place = httpx.post(f"{stack.url}/v1/rewards", json=body, timeout=300).headers["location"]
        accepted.append(time.perf_counter() - started)
        done = httpx.get(f"{stack.url}{place}?wait=120", timeout=300).json()
        ended.append(time.perf_counter() - started)
        assert done["counts"] == {"ok": items}
    seconds = {"accepted_s": statistics.median(accepted), "done_s": statistics.median(ended)}
    return {"items": items, "references": references, **{name: round(value, 3) for name, value in seconds.items()}}


def overhead(stack: Stack, items: int = 2048, rounds: int = 4) -> dict[str, Any]:
    """CPU time an item that needs a worker, batches of a usual size."""
    post(stack, batch(uuid4().hex, 256, references=16))
    before, started = cpu_seconds(stack), time.perf_counter()
    for _ in range(rounds):
        post(stack, batch(uuid4().hex, items, references=128))
    took, count = time.perf_counter() - started, items * rounds
    spent = {name: (after - before[name]) / count * 1000 for name, after in cpu_seconds(stack).items()}
    each = {name: round(value, 3) for name, value in spent.items()}
    return {"cpu_ms_per_item": round(sum(spent.values()), 3), "by_process": each, "items_per_s": round(count / took)}


def fleet(workers: int, items: int = 4096) -> dict[str, float]:
    """Items through many workers that do nothing."""
    with tempfile.TemporaryDirectory() as folder, NoopStack(Path(folder), workers=workers) as stack:
        deadline = time.monotonic() + 300
        while len(httpx.get(f"{stack.url}/v1/workers", timeout=60).json()) < workers:
            assert time.monotonic() < deadline, "the fleet does not come up"
            time.sleep(0.5)
        times = []
        for _ in range(3):
            body = batch(uuid4().hex, items, references=256)
            started = time.perf_counter()
            assert post(stack, body, 300)["counts"] == {"ok": items}
            times.append(time.perf_counter() - started)
    return {"workers": workers, "items": items, "items_per_s": round(items / statistics.median(times))}


def main() -> None:
    """Measure, print a line a part, and keep the figures in benchmarks/results/queue_load.json."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--fleet", type=int, default=0, help="also this many workers at once (64 need 4 GB)")
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args()
    found: dict[str, Any] = {"cores": os.cpu_count(), "python": platform.python_version(), "workers": options.workers}
    parts = {"cached_batch": cached_batch, "cached_single": cached_single, "enqueue": enqueue, "overhead": overhead}
    with tempfile.TemporaryDirectory() as folder, NoopStack(Path(folder), workers=options.workers) as stack:
        for name, measure in parts.items():
            found[name] = measure(stack)
            print(name, json.dumps(found[name]), flush=True)
    if options.fleet:
        found["fleet"] = fleet(options.fleet)
        print("fleet", json.dumps(found["fleet"]), flush=True)
    RESULTS.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
