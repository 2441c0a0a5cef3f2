"""One job from request to death: its descriptors, its clock, its limits. What happened comes out as plain facts."""

from __future__ import annotations

import contextlib
import math
import os
import select
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from worker.jail import frames, workdir
from worker.jail.cell import Cell
from worker.jail.settings import JailSettings
from worker.jail.zygote import Child, Ended, ZygoteLostError

_TICK_S = 0.05  # how often threads and disk of a running job are counted
_LOCK_TIMEOUT_S = 20.0
_ENDING_S = 0.5  # between a dying process closing its descriptors and being dead


@dataclass(frozen=True, slots=True)
class Request:
    """What to run: kind of job ("code", "picture", "escapes"), its bytes, its options, its limits."""

    kind: str
    body: bytes
    options: dict[str, Any]
    timeout_s: float
    memory_mb: int
    max_head: int
    max_body: int


@dataclass(frozen=True, slots=True)
class Facts:
    """What the supervisor and the kernel saw; nothing the job says, except its frame."""

    kind: str
    ended: Ended
    reader: frames.ResultReader
    killed_for: str | None  # "timeout", "output", "disk", "threads": the limit that made the supervisor kill it
    broken: str | None  # what was wrong with the result's bytes
    output_bytes: int
    cpu_limit_s: int
    memory_mb: int
    partial: bool  # a figure that a crash left half made was asked for
    wall_ms: float  # from the moment the job was handed over


def limits(request: Request, settings: JailSettings) -> dict[str, int]:
    """The rlimits of a job, as worker/sandboxed/limits.py takes them."""
    return {
        "memory_bytes": request.memory_mb * 1_048_576,
        "cpu_s": cpu_limit_s(request.timeout_s),
        "file_bytes": settings.work_bytes,
        "open_files": settings.open_files,
        "stack_bytes": 8 * 1_048_576,
    }


def cpu_limit_s(timeout_s: float) -> int:
    """CPU seconds of all threads together; the wall clock ends a single-threaded job first."""
    return math.ceil(timeout_s) + 1


class Job:
    """Runs one request in a cell that has its limits."""

    def __init__(self, cell: Cell, settings: JailSettings, request: Request) -> None:
        self._cell, self._settings, self._request = cell, settings, request
        self._socket, self._output = cell.socket, cell.output
        self._token = frames.new_token()
        self._reader = frames.ResultReader(self._token, max_head=request.max_head, max_body=request.max_body)
        self._output_bytes = 0
        self._killed_for: str | None = None
        self._broken: str | None = None
        self._core: int | None = None  # the one that a job with several threads is kept to

    def run(self) -> Facts:
        """Wait for the lock, hand over the job, watch it, kill it, wait until it is reaped.

        Raises ZygoteLostError when the zygote or the lock-down failed, before or after the job ran.
        """
        try:
            self._hand_over()
            began = time.monotonic()
            self._watch(self._cell.child)
            wall_ms = (time.monotonic() - began) * 1000
        finally:
            self._cell.child.kill()
        ended = self._cell.ended()
        self._drain()
        self._after_death()
        return Facts(
            self._request.kind,
            ended,
            self._reader,
            self._killed_for,
            self._broken,
            self._output_bytes,
            cpu_limit_s(self._request.timeout_s),
            self._request.memory_mb,
            bool(self._request.options.get("partial")),
            wall_ms,
        )

    def _hand_over(self) -> None:
        """Send the job once the child says that it is locked; it cannot be hostile before it has read anything."""
        self._socket.settimeout(_LOCK_TIMEOUT_S)
        try:
            locked = self._socket.recv(1)
            if locked == b"L":
                request = self._request
                head = {"kind": request.kind, "options": request.options}
                self._socket.sendall(frames.job(head, request.body, self._token))
        except OSError as error:
            raise ZygoteLostError(f"the job's process does not take its job: {error}") from error
        if locked != b"L":
            said = b""
            with contextlib.suppress(OSError):
                said = os.read(self._output, 4000)
            raise ZygoteLostError(f"lock-down failed: {said.decode('utf-8', 'replace').strip() or 'no reason given'}")
        self._socket.setblocking(False)

    def _watch(self, child: Child) -> None:
        deadline = time.monotonic() + self._request.timeout_s
        next_tick = time.monotonic() + _TICK_S
        poll = select.poll()
        for fd in (self._socket.fileno(), self._output, child.pidfd):
            poll.register(fd, select.POLLIN)
        while self._killed_for is None and self._broken is None and not self._reader.complete:
            now = time.monotonic()
            if now >= deadline:
                self._killed_for = "timeout"
                return
            ready = dict(poll.poll(max(0.0, min(deadline, next_tick) - now) * 1000))
            if self._output in ready and not self._drain():
                poll.unregister(self._output)
            if self._socket.fileno() in ready and not self._read_result():
                if self._broken is None and not child.ends_within(_ENDING_S):
                    self._broken = "the code closed the result channel"
                return
            if child.pidfd in ready:
                self._read_result()
                return
            if time.monotonic() >= next_tick:
                self._count(child.pid)
                next_tick = time.monotonic() + _TICK_S

    def _read_result(self) -> bool:
        try:
            return self._reader.read(self._socket)
        except frames.FrameError as error:
            self._broken = str(error)
            return False

    def _drain(self) -> bool:
        """Count and throw away what was printed; False when every writer is gone."""
        while self._output_bytes <= self._settings.output_bytes:
            try:
                data = os.read(self._output, 65_536)
            except BlockingIOError:
                return True
            if not data:
                return False
            self._output_bytes += len(data)
        self._killed_for = self._killed_for or "output"
        return True

    def _count(self, pid: int) -> None:
        settings = self._settings
        held = workdir.unlinked_bytes(pid)
        used, inodes = workdir.usage(
            self._cell.work, stop_bytes=settings.work_bytes - held, stop_inodes=settings.work_inodes
        )
        if used + held > settings.work_bytes or inodes > settings.work_inodes:
            self._killed_for = "disk"
            return
        threads, core = _threads(pid)
        if threads > settings.threads:
            self._killed_for = "threads"
        elif threads > 1:
            self._core = core if self._core is None else self._core
            _confine(pid, self._core)

    def _after_death(self) -> None:
        """With every writer dead, the stream must end right behind the one frame."""
        if self._broken is None and self._reader.complete and self._killed_for is None:
            with contextlib.suppress(OSError):
                if self._socket.recv(1):
                    self._broken = "more bytes follow the result"


def _threads(pid: int) -> tuple[int, int]:
    """How many threads a process has, and the core that its first one ran on last."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:  # noqa: PTH123 (hot path)
            fields = file.read().rsplit(b") ", 1)[1].split()
            return int(fields[17]), int(fields[36])
    except (OSError, IndexError):
        return 0, 0


def _confine(pid: int, core: int) -> None:
    """Keep all threads of a process to one core: however many it starts, other slots' jobs run as fast as before."""
    with contextlib.suppress(OSError):  # the process is gone
        for thread in Path(f"/proc/{pid}/task").iterdir():
            with contextlib.suppress(OSError):  # this thread is, or it is not ours to confine
                os.sched_setaffinity(int(thread.name), {core})
