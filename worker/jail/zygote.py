"""The supervisor's handle on one zygote process: start it, ask it for a child, hear how the child ended, end it."""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import socket
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from worker.jail.settings import JailError, JailSettings, Runtime

SANDBOXED = Path(__file__).parent.parent / "sandboxed"
_REPLY_TIMEOUT_S = 20.0
# glibc's heap grows by huge pages, serves large blocks too (each mapped anew would fault in all of its pages), and
# keeps what a job frees until the job's end.
_MALLOC = "glibc.malloc.hugetlb=1:glibc.malloc.mmap_threshold=33554432:glibc.malloc.trim_threshold=268435456"


class ZygoteLostError(Exception):
    """The zygote died or does not answer: infrastructure, so the job is tried once more in a fresh one."""


@dataclass(frozen=True, slots=True)
class Ended:
    """How a child ended, as its parent's wait4 tells it."""

    status: int  # wait status
    cpu_s: float
    peak_mb: float
    strays: int  # processes left behind; the zygote has ended them
    segments: int  # System V shared memory left behind; removed


@dataclass(slots=True)
class Child:
    """A running job: its process id and the pidfd the zygote opened before anybody could have reaped it."""

    pid: int
    pidfd: int

    def kill(self) -> None:
        """SIGKILL; harmless when it is gone already."""
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(self.pidfd, signal.SIGKILL)

    def wait(self) -> None:
        """Return once every thread of it is dead. Raises ZygoteLostError if that takes longer than anything should."""
        if not self.ends_within(_REPLY_TIMEOUT_S):
            raise ZygoteLostError(f"process {self.pid} does not die")

    def ends_within(self, seconds: float) -> bool:
        """Whether it is dead, or dies in that time by itself."""
        poll = select.poll()
        poll.register(self.pidfd, select.POLLIN)
        return bool(poll.poll(seconds * 1000))

    def close(self) -> None:
        """Let go of the pidfd."""
        os.close(self.pidfd)


def environment(config: Path) -> dict[str, str]:
    """Everything a job finds in its environment; nothing of the worker's own gets there."""
    threads = dict.fromkeys(
        ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS", "BLIS_NUM_THREADS"), "1"
    )
    return {
        **threads,
        "GLIBC_TUNABLES": _MALLOC,
        "HOME": str(config),
        "LANG": "C.UTF-8",
        "LC_ALL": "C.UTF-8",
        "LOGNAME": "chart",
        "USER": "chart",
        "LOKY_MAX_CPU_COUNT": "1",
        "MALLOC_ARENA_MAX": "2",
        "MPLBACKEND": "Agg",
        "MPLCONFIGDIR": str(config),
        "MPL_IGNORE_SYSTEM_FONTS": "1",
        "PATH": "/usr/bin:/bin",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONHASHSEED": "0",
        "TZ": "UTC",
    }


class Zygote:
    """One warm process. Not thread-safe: the jail serves one job at a time."""

    def __init__(self, runtime: Runtime, settings: JailSettings, config: Path, uid: int | None) -> None:
        self._log: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 (lives as long as the process)
        self._control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.born = time.monotonic()
        self.jobs = 0
        self.rss_mb = self.first_rss_mb = 0.0
        self.facts: dict[str, Any] = {}
        told = json.dumps({"uid": uid, "config": str(config), "libraries": runtime.libraries})
        # -P and -s: nothing but the standard library and site-packages on the path. Not -I, which would also ignore
        # PYTHONHASHSEED; the environment is ours entirely, so there is nothing else for -E to ignore.
        command = [str(runtime.python.absolute()), "-P", "-s", str(SANDBOXED / "zygote.py"), str(theirs.fileno()), told]
        try:
            self._process = subprocess.Popen(
                command,
                env=environment(config),
                cwd=config,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=self._log,
                pass_fds=(theirs.fileno(),),
                start_new_session=True,
            )
        except OSError as error:
            self._control.close()
            self._log.close()
            raise JailError(f"runtime {runtime.name}: {runtime.python} cannot be started: {error}") from error
        finally:
            theirs.close()
        try:
            self.facts = self._receive(settings.start_timeout_s, "warm")[0]
        except ZygoteLostError as error:
            said = self._said()
            self.close()
            raise JailError(f"runtime {runtime.name}: the zygote did not become warm: {said or error}") from error

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    def fork(self, limits: dict[str, int], fds: list[int]) -> Child:
        """Ask for a child that gets `fds` (job socket, output pipe, work directory). Raises ZygoteLostError."""
        try:
            socket.send_fds(self._control, [json.dumps({"limits": limits}).encode()], fds)
        except OSError as error:
            raise ZygoteLostError(f"the zygote is gone: {self._said() or error}") from error
        pid, passed = self._receive(_REPLY_TIMEOUT_S, "started")
        if len(passed) != 1:
            raise ZygoteLostError("the zygote sent no pidfd")
        self.jobs += 1
        return Child(pid, passed[0])

    def ended(self) -> Ended:
        """Wait for the report on a child that ended or was killed. Raises ZygoteLostError."""
        report = self._receive(_REPLY_TIMEOUT_S, "ended")[0]
        self.rss_mb = report["zygote_kb"] / 1024
        self.first_rss_mb = self.first_rss_mb or self.rss_mb
        return Ended(report["status"], report["cpu_s"], report["peak_kb"] / 1024, report["strays"], report["segments"])

    def worn(self, settings: JailSettings) -> bool:
        """True when a fresh zygote should take over: jobs, age or growth."""
        return (
            self.jobs >= settings.recycle_after
            or time.monotonic() - self.born >= settings.recycle_s
            or self.rss_mb - self.first_rss_mb >= settings.recycle_growth_mb
        )

    def close(self) -> None:
        """Close the control socket (the zygote kills its child and ends by itself), then make sure of it."""
        self._control.close()
        try:
            self._process.wait(2)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._log.close()

    def kill(self) -> None:
        """For one that is wedged."""
        self._process.kill()
        self.close()

    def _receive(self, timeout_s: float, key: str) -> tuple[Any, list[int]]:
        self._control.settimeout(timeout_s)
        try:
            message, fds, _, _ = socket.recv_fds(self._control, 65_536, 1)
        except TimeoutError as error:
            raise ZygoteLostError(f"no word from the zygote for {timeout_s:g} s") from error
        except OSError as error:
            raise ZygoteLostError(f"the zygote is gone: {error}") from error
        if not message:
            raise ZygoteLostError(f"the zygote ended: {self._said()}")
        answer = json.loads(message)
        if key not in answer:
            raise ZygoteLostError(f"the zygote answered {sorted(answer)}, not {key}")
        return answer[key], fds

    def _said(self) -> str:
        self._log.seek(0)
        return self._log.read().decode("utf-8", "replace")[-4000:].strip()
