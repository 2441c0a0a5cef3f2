"""What this process counts of its own requests. With PROMETHEUS_MULTIPROC_DIR several processes add up."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Histogram

REGISTRY = CollectorRegistry()
REQUESTS = Counter("chartreward_http_requests", "Requests answered", ["route", "status"], registry=REGISTRY)
LATENCY = Histogram(
    "chartreward_http_request_seconds",
    "Time to the end of the answer",
    ["route"],
    registry=REGISTRY,
    buckets=(0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60, 180),
)
HITS = Counter("chartreward_cache_items", "Items by where their result came from", ["source"], registry=REGISTRY)
