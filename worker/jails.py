"""A worker's jails, one a runtime: the default's opens at the start, any other's when it is first asked for."""

from __future__ import annotations

import threading

from worker.jail import Jail, JailSettings, Runtime
from worker.settings import WorkerSettings


class EngineError(Exception):
    """The engine cannot start: the sandbox leaks, or the configuration is wrong."""


class Jails:
    """Opened as they are needed; closed together."""

    def __init__(self, settings: WorkerSettings) -> None:
        self._settings = settings
        self._open: dict[str, Jail] = {}
        self._opening: threading.Thread | None = None
        self._failed: BaseException | None = None

    def begin(self) -> None:
        """Open the default jail in a thread, for its zygote takes seconds. The first `get` tells how that went."""
        self._opening = threading.Thread(target=self._begin, name="jail", daemon=True)
        self._opening.start()

    def _begin(self) -> None:
        try:
            self._get(self._default())
        except BaseException as error:
            self._failed = error

    def _default(self) -> str:
        if not self._settings.runtimes:
            raise EngineError("no runtime found: `make setup` builds .runtimes/, or set CHARTREWARD_RUNTIMES")
        return next(iter(self._settings.runtimes))

    def get(self, name: str | None = None) -> Jail:
        """The jail of a runtime (None: the default), started. Raises EngineError or JailError."""
        if self._opening:
            self._opening.join()
            self._opening = None
            if self._failed:
                raise self._failed
        return self._get(name or self._default())

    def _get(self, name: str) -> Jail:
        jail = self._open.get(name)
        if jail is None:
            python = self._settings.runtimes.get(name)
            if python is None:
                raise EngineError(f"this worker has no runtime {name!r}; it has {', '.join(self._settings.runtimes)}")
            jail = Jail(Runtime(name, python), _jail_settings(self._settings))
            jail.start()
            self._open[name] = jail
        return jail

    @property
    def level(self) -> str:
        """`full`, or `reduced: <why>` when any jail is."""
        levels = [jail.level for jail in self._open.values()]
        return next((level for level in levels if level != "full"), "full")

    def make_ready(self) -> None:
        """Fork and lock the next job's process in each."""
        for jail in self._open.values():
            jail.make_ready()

    def close(self) -> None:
        """End them all. May be called twice."""
        if self._opening:
            self._opening.join()
            self._opening = None
        for jail in self._open.values():
            jail.close()
        self._open.clear()


def _jail_settings(settings: WorkerSettings) -> JailSettings:
    return JailSettings(
        timeout_s=settings.timeout_s,
        memory_mb=settings.memory_mb,
        dpi=settings.dpi,
        max_pixels=settings.max_pixels,
        max_figures=settings.max_figures,
        output_bytes=settings.max_output_kb * 1024,
        work_bytes=settings.max_work_mb * 1_048_576,
        work_inodes=settings.max_work_files,
        threads=settings.max_threads,
        open_files=settings.max_open_files,
        reduced=settings.jail_reduced,
    )
