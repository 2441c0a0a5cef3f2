"""The pool: keeps N worker processes alive, takes back the job of one that died, and stops them gently."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from uuid import uuid4

import redis
import structlog

from chartreward import ledger
from worker.recovery import take_back
from worker.runner import EXIT_REFUSED, configure_logs
from worker.settings import WorkerSettings

log = structlog.get_logger(__name__)

MAX_REFUSALS = 3
MEMORY_EVENTS = Path("/sys/fs/cgroup/memory.events")


@dataclass
class _Slot:
    """One worker process and its history."""

    cores: list[int]
    process: subprocess.Popen[bytes] | None = None
    name: str = ""
    started: float = 0.0
    wait_until: float = 0.0
    failures: int = 0
    refusals: int = 0
    to_take_back: list[tuple[str, bool]] = field(default_factory=list)


class Pool:
    """`count` worker processes on this machine."""

    def __init__(self, settings: WorkerSettings, count: int, command: list[str] | None = None) -> None:
        self.settings = settings
        self.command = command or [sys.executable, "-m", "worker"]
        self._slots = [_Slot(cores) for cores in shares(settings, count, sorted(os.sched_getaffinity(0)))]
        self._stop = threading.Event()
        self._redis = redis.Redis.from_url(settings.redis_url, socket_timeout=10)
        self._oom_kills = oom_kills()

    def run(self) -> int:
        """Work until SIGTERM or SIGINT; returns the exit status."""
        configure_logs(self.settings.log_level)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._on_signal)
        parent = os.getppid()
        log.info("pool started", workers=len(self._slots), pid=os.getpid())
        status = 0
        while not self._stop.is_set():
            for slot in self._slots:
                self._tend(slot)
            if all(slot.refusals >= MAX_REFUSALS for slot in self._slots):
                log.error("no worker can start; see the errors above")
                status = EXIT_REFUSED
                break
            if os.getppid() != parent:  # whoever started us is gone
                break
            self._stop.wait(0.1)
        self._shut_down()
        return status

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        self._stop.set()

    def _tend(self, slot: _Slot) -> None:
        """Reap, take back, restart: whatever this slot needs now."""
        if slot.process is not None and slot.process.poll() is not None:
            self._reap(slot)
        if slot.to_take_back:
            with contextlib.suppress(redis.RedisError):  # Redis is away: next round
                name, explained = slot.to_take_back[0]
                take_back(self._redis, name, self.settings, explained=explained)
                slot.to_take_back.pop(0)
        if slot.process is None and slot.refusals < MAX_REFUSALS and time.monotonic() >= slot.wait_until:
            if slot.name:
                with contextlib.suppress(redis.RedisError):
                    self._redis.hincrby(ledger.COUNTERS, "worker_restarts_total", 1)
            slot.name = f"{socket.gethostname()}-{uuid4().hex[:8]}"
            slot.started = time.monotonic()
            slot.process = subprocess.Popen([*self.command, "--one", slot.name])
            with contextlib.suppress(ProcessLookupError):  # gone already: reaped in the next round
                os.sched_setaffinity(slot.process.pid, slot.cores)

    def _reap(self, slot: _Slot) -> None:
        """Note how a worker ended; a death is followed by taking its job back."""
        assert slot.process is not None
        code, lived = slot.process.returncode, time.monotonic() - slot.started
        slot.process = None
        kills = oom_kills()
        explained = code != -signal.SIGKILL or kills > self._oom_kills
        self._oom_kills = kills
        if code == 0:  # recycled, or told to stop
            slot.failures = 0
            return
        # Killed from outside: start again at once. Failing by itself, again and again: ever more slowly.
        slot.failures = slot.failures + 1 if explained and lived < 30 else 0
        slot.refusals = slot.refusals + 1 if code == EXIT_REFUSED else 0
        slot.wait_until = time.monotonic() + min(30.0, 0.25 * 2**slot.failures if slot.failures else 0.0)
        log.warning("worker died", worker=slot.name, code=code, lived_s=round(lived, 1), explained=explained)
        slot.to_take_back.append((slot.name, explained))

    def _shut_down(self) -> None:
        """Let every worker finish its item, then end it."""
        running = [slot.process for slot in self._slots if slot.process is not None]
        for process in running:
            process.terminate()
        deadline = time.monotonic() + self.settings.timeout_s + 30
        for process in running:
            try:
                process.wait(max(0.1, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        log.info("pool stopped")


def shares(settings: WorkerSettings, count: int, cores: list[int]) -> list[list[int]]:
    """The cores of each of `count` workers: one each where there are as many, for then the scheduler's moves only leave
    cores idle for a while; else all, and the scheduler decides. Threads of feature extraction need room, too."""
    if settings.pin_workers and settings.torch_threads == 1 and count == len(cores):
        return [[core] for core in cores]
    return [cores] * count


def oom_kills() -> int:
    """How many processes of this control group the kernel has killed for memory."""
    try:
        lines = MEMORY_EVENTS.read_text(encoding="ascii").splitlines()
    except OSError:
        return 0
    return sum(int(line.split()[1]) for line in lines if line.startswith("oom_kill "))
