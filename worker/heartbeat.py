"""The heartbeat thread: says that the worker lives and what it is, watches for stalls, takes back jobs of the dead."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import threading
import time
from collections import Counter

import psutil
import structlog
from redis import Redis, RedisError

import chartreward
from chartreward import ledger
from chartreward.messages import WorkerInfo
from chartreward.models import ItemResult, Status
from worker.recovery import dead_workers, take_back
from worker.settings import WorkerSettings

log = structlog.get_logger(__name__)

PERIOD_S = 1.5
BUCKETS_MS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000, 30_000, 120_000)
STAGES = ("queue", "exec", "draw", "score")
# Events that are counted by name; a name from the jail may be anything.
DENIED = frozenset(
    {
        *("open", "os.fork", "os.exec", "os.posix_spawn", "os.system", "os.kill", "os.link", "os.symlink", "os.mkdir"),
        *("os.remove", "os.rename", "os.rmdir", "os.chmod", "signal.pthread_kill", "resource.setrlimit", "fcntl.ioctl"),
        *("socket.__new__", "socket.connect", "socket.bind", "socket.getaddrinfo", "socket.gethostbyname"),
        *("socket.sendto", "subprocess.Popen", "pty.spawn"),
    }
)


class Heartbeat(threading.Thread):
    """Runs beside the scoring thread, with a Redis connection of its own, so that a long item does not look like death.

    A stall (no progress for longer than an item may take) ends the process with `stalled_exit`: its job goes elsewhere.
    """

    def __init__(self, name: str, settings: WorkerSettings, stalled_exit: int) -> None:
        super().__init__(name="heartbeat", daemon=True)
        self.name = name
        self.state = "starting"
        self.rss_mb = 0.0
        self._settings = settings
        self._stalled_exit = stalled_exit
        self._redis = Redis.from_url(settings.redis_url, socket_timeout=5)
        self._facts: WorkerInfo | None = None
        self._process = psutil.Process()
        self._parent = os.getppid()
        self._born = time.time()
        self._jobs_done = 0
        self._stall_after: float | None = None
        self._progress = time.monotonic()
        self._counts: Counter[str] = Counter()
        self._lock = threading.Lock()
        self._over = threading.Event()

    # --- told by the scoring thread -----------------------------------------------------------

    def announce(self, facts: WorkerInfo) -> None:
        """The engine is up: from now on the service counts on this worker."""
        self._facts = facts
        self.state = "idle"
        try:
            self._beat()
        except RedisError as error:
            log.warning("redis is away", worker=self.name, error=str(error))

    def busy(self, stall_after_s: float) -> None:
        """A chunk begins; each item must end within `stall_after_s`."""
        self._progress, self._stall_after = time.monotonic(), stall_after_s
        if self.state == "idle":
            self.state = "busy"

    def idle(self) -> None:
        """Nothing in hand."""
        self._stall_after = None
        if self.state == "busy":
            self.state = "idle"

    def progress(self) -> None:
        """Still alive."""
        self._progress = time.monotonic()

    def finished(self, result: ItemResult) -> None:
        """Count an item."""
        self.progress()
        timing = result.timing
        durations = (timing.queue_ms, timing.exec_ms, timing.draw_ms, timing.score_ms)
        with self._lock:
            self._jobs_done += 1
            for stage, value in zip(STAGES, durations, strict=True):
                bucket = next((str(bound) for bound in BUCKETS_MS if value <= bound), "inf")
                self._counts[f"stage:{stage}:{bucket}"] += 1
                self._counts[f"stage:{stage}:sum"] += round(value)
            if result.status is Status.FORBIDDEN:
                self._counts["denials_total"] += 1

    def denied(self, operation: str) -> None:
        """Count what the sandbox denied: an audit event, perhaps with a path, as the hostile process names it."""
        event = operation.partition(" ")[0]
        with self._lock:
            self._counts[f"denied:{event if event in DENIED else 'other'}"] += 1

    def stop(self) -> None:
        """The worker ends in good order: forget it."""
        self._over.set()
        self.join(timeout=2)
        try:
            self._flush()
            take_back(self._redis, self.name, self._settings, explained=False, death=False)
        except RedisError as error:
            log.warning("redis is away", worker=self.name, error=str(error))

    # --- the thread ---------------------------------------------------------------------------

    def run(self) -> None:
        """Beat until stopped."""
        beats = 0
        while not self._over.is_set():
            self._watch()
            try:
                self._beat()
                self._flush()
                if beats % 2 == 0:
                    for name in dead_workers(self._redis):
                        take_back(self._redis, name, self._settings, explained=False)
            except RedisError as error:
                log.warning("redis is away", worker=self.name, error=str(error))
            beats += 1
            self._over.wait(PERIOD_S)

    def _watch(self) -> None:
        """End a process that no longer gets anywhere, or whose pool is gone."""
        limit, quiet = self._stall_after, time.monotonic() - self._progress
        if limit is not None and quiet > limit:
            log.error("stalled", worker=self.name, quiet_s=round(quiet))
            os._exit(self._stalled_exit)
        if os.getppid() != self._parent:
            self._parent = os.getppid()
            os.kill(os.getpid(), signal.SIGTERM)

    def _beat(self) -> None:
        self.rss_mb = self._process.memory_info().rss / 1e6
        info = self.info()
        with self._redis.pipeline() as pipeline:
            pipeline.sadd(ledger.WORKERS, self.name)
            pipeline.set(ledger.worker_key(self.name), info.model_dump_json(), ex=ledger.HEARTBEAT_TTL_S)
            if self._facts is not None:
                pipeline.set(ledger.FLEET, info.model_dump_json(), ex=86_400)
            pipeline.execute()

    def _flush(self) -> None:
        with self._lock:
            counts, self._counts = self._counts, Counter()
        if counts:
            with self._redis.pipeline() as pipeline:
                for name, value in counts.items():
                    pipeline.hincrby(ledger.COUNTERS, name, value)
                pipeline.execute()

    def info(self) -> WorkerInfo:
        """What is announced."""
        facts = self._facts
        zygotes = _children_rss(self._process) / 1e6
        return WorkerInfo(
            name=self.name,
            state=self.state,
            pid=os.getpid(),
            host=socket.gethostname(),
            engine=chartreward.__version__,
            level=facts.level if facts else "",
            runtimes=facts.runtimes if facts else {},
            backbones=facts.backbones if facts else {},
            default_backbone=facts.default_backbone if facts else "",
            signals=facts.signals if facts else [],
            jobs_done=self._jobs_done,
            rss_mb=round(self.rss_mb, 1),
            zygote_rss_mb=round(zygotes, 1),
            started=self._born,
            seen=time.time(),
        )


def _children_rss(process: psutil.Process) -> int:
    """Bytes resident in the direct children: the zygotes (a job's child may end while we look)."""
    total = 0
    for child in process.children():
        with contextlib.suppress(psutil.Error):
            total += child.memory_info().rss
    return total
