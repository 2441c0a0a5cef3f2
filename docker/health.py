"""HEALTHCHECK of the images: `health.py api` asks /readyz, `health.py worker` looks for its workers in Redis."""

from __future__ import annotations

import json
import os
import socket
import sys
import urllib.request


def api() -> bool:
    """Ready: a recent canary went through queue, jail, features and score (anything but 2xx raises)."""
    url = f"http://127.0.0.1:{os.environ.get('CHARTREWARD_PORT', '8000')}/readyz"
    with urllib.request.urlopen(url, timeout=5):
        return True


def worker() -> bool:
    """At least one worker process of this container has its jails up and a heartbeat."""
    from redis import Redis

    from chartreward import ledger
    from worker.settings import WorkerSettings

    connection = Redis.from_url(WorkerSettings().redis_url, socket_timeout=4, decode_responses=True)
    names = [str(name) for name in connection.smembers(ledger.WORKERS)]
    announced = [connection.get(ledger.worker_key(name)) for name in names]
    infos = [json.loads(str(text)) for text in announced if text is not None]
    return any(info["host"] == socket.gethostname() and info["state"] in ("idle", "busy", "draining") for info in infos)


if __name__ == "__main__":
    sys.exit(0 if {"api": api, "worker": worker}[sys.argv[1]]() else 1)
