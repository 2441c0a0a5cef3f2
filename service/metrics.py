"""Prometheus metrics. What workers and batches do is counted in Redis, so every process shows the same truth."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable

from prometheus_client import CollectorRegistry, generate_latest, multiprocess
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from chartreward import ledger, scripts
from service.counters import REGISTRY
from service.fleet import batches_waiting
from service.state import State

STAGES = ("queue", "exec", "draw", "score")
BUCKETS_MS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000, 30_000, 120_000)


class _Shared(Collector):
    """Metrics already read from Redis."""

    def __init__(self, metrics: list[Metric]) -> None:
        self._metrics = metrics

    def collect(self) -> Iterable[Metric]:
        return self._metrics


async def exposition(state: State) -> bytes:
    """The text that `/metrics` answers."""
    shared = CollectorRegistry()
    shared.register(_Shared(await _shared(state)))
    if "PROMETHEUS_MULTIPROC_DIR" in os.environ:  # several uvicorn processes on this machine
        own = CollectorRegistry()
        multiprocess.MultiProcessCollector(own)  # type: ignore[no-untyped-call]
    else:
        own = REGISTRY
    return generate_latest(shared) + generate_latest(own)


async def _shared(state: State) -> list[Metric]:
    await state.fleet.refresh()
    async with state.redis.pipeline(transaction=False) as pipeline:
        pipeline.hgetall(ledger.COUNTERS)
        pipeline.zcard(ledger.INFLIGHT)
        pipeline.zrange(ledger.INFLIGHT, 0, 0, withscores=True)
        pipeline.info("memory")
        pipeline.eval(scripts.USAGE, 0, *ledger.KINDS)
        raw, inflight, oldest, memory, usage = await pipeline.execute()
    counters = {name.decode(): int(value) for name, value in raw.items()}
    ready = await state.readiness.report()
    waiting = await batches_waiting(state.redis, state.fleet)
    age = time.time() - oldest[0][1] if oldest else 0.0
    gauges = [
        ("chartreward_items_under_way", "Distinct items queued or being scored", inflight),
        ("chartreward_oldest_item_seconds", "Age of the oldest of them", max(0.0, age)),
        ("chartreward_workers", "Workers whose engine is up", len(state.fleet.serving)),
        ("chartreward_workers_busy", "Workers with a job", sum(w.state == "busy" for w in state.fleet.serving)),
        ("chartreward_ready", "1 when a canary came through lately", float(ready["ready"])),
        ("chartreward_requests_waiting", "Requests of this process that wait for results", state.hub.waiting),
        ("chartreward_redis_memory_bytes", "Memory that Redis uses", memory.get("used_memory", 0)),
    ]
    metrics: list[Metric] = [GaugeMetricFamily(name, text, value=value) for name, text, value in gauges]
    outcomes = CounterMetricFamily("chartreward_items", "Items finished by workers", labels=["status"])
    for name, value in counters.items():
        if name.startswith("outcome:"):
            outcomes.add_metric([name.partition(":")[2]], value)
    metrics.append(outcomes)
    totals = {
        "worker_deaths": "Workers that died",
        "worker_restarts": "Workers started in the place of another, dead or recycled",
        "denials": "Items that ended because the sandbox denied them something",
        "expired": "Items nobody waited for any more when their turn came",
    }
    for name, text in totals.items():
        value = counters.get(f"{name}_total", 0)
        metrics.append(CounterMetricFamily(f"chartreward_{name}", text, value=value))
    lanes = GaugeMetricFamily("chartreward_batches_waiting", "Batches with jobs that wait", labels=["lane"])
    for lane, count in waiting.items():
        lanes.add_metric([lane], count)
    operations = CounterMetricFamily(
        "chartreward_denied_operations", "What the sandbox denied, by audit event", labels=["operation"]
    )
    for name, value in counters.items():
        if name.startswith("denied:"):
            operations.add_metric([name.partition(":")[2]], value)
    metrics += [lanes, operations, _stages(counters), *_store(counters, usage)]
    return metrics


def _store(counters: dict[str, int], usage: list[int]) -> list[Metric]:
    """What lies in Redis, by kind."""
    entries = GaugeMetricFamily("chartreward_store_entries", "Entries kept in Redis", labels=["kind"])
    size = GaugeMetricFamily("chartreward_store_bytes", "Their bytes, which a cap bounds", labels=["kind"])
    evicted = CounterMetricFamily("chartreward_store_evictions", "Entries dropped for the cap", labels=["kind"])
    for place, (kind, name) in enumerate(ledger.KINDS.items()):
        entries.add_metric([name], usage[2 * place])
        size.add_metric([name], usage[2 * place + 1])
        evicted.add_metric([name], counters.get(f"evicted:{kind}", 0))
    return [entries, size, evicted]


def _stages(counters: dict[str, int]) -> Metric:
    family = HistogramMetricFamily("chartreward_stage_seconds", "Time of an item in a stage", labels=["stage"])
    for stage in STAGES:
        total, buckets = 0, []
        for bound in BUCKETS_MS:
            total += counters.get(f"stage:{stage}:{bound}", 0)
            buckets.append((str(bound / 1000), float(total)))
        total += counters.get(f"stage:{stage}:inf", 0)
        buckets.append(("+Inf", float(total)))
        family.add_metric([stage], buckets, sum_value=counters.get(f"stage:{stage}:sum", 0) / 1000)
    return family
