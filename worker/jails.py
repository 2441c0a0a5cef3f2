"""A worker's jails, for each runtime one that has only what most charts need loaded, and one that has everything.

A fork of the smaller one costs less. Which one a job gets follows from its text; either draws the same picture.
"""

from __future__ import annotations

import re
from concurrent.futures import Future, ThreadPoolExecutor

from worker.jail import Jail, JailSettings, Libraries, Runtime
from worker.settings import WorkerSettings

# What `Libraries.CORE` leaves out and jobs import often enough; a job that hides such an import waits for it, no more.
_BEYOND_CORE = re.compile("pandas|scipy|seaborn|networkx|squarify|matplotlib_venn|sklearn")

_Kind = tuple[str, Libraries]


def libraries_for(code: str) -> Libraries:
    """What is best loaded before `code` runs."""
    return Libraries.ALL if _BEYOND_CORE.search(code) else Libraries.CORE


class EngineError(Exception):
    """The engine cannot start: the sandbox leaks, or the configuration is wrong."""


class Jails:
    """Opened one after the other, in the background or when they are needed; closed together. For one thread."""

    def __init__(self, settings: WorkerSettings) -> None:
        self._settings = settings
        self._default = next(iter(settings.runtimes), "")
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="jail")
        self._asked: dict[_Kind, Future[Jail]] = {}

    def begin(self, libraries: Libraries) -> None:
        """Open a jail of the default runtime meanwhile, for its zygote takes seconds. `get` tells how that went."""
        self._ask((self._default, libraries))

    def get(self, name: str | None = None, code: str = "") -> Jail:
        """The started jail of a runtime (None: the default) that suits `code`. Raises EngineError or JailError."""
        kind = name or self._default, libraries_for(code)
        try:
            return self._ask(kind).result()
        except BaseException:
            del self._asked[kind]  # who asks next has another try
            raise

    def _ask(self, kind: _Kind) -> Future[Jail]:
        if kind not in self._asked:
            self._asked[kind] = self._thread.submit(self._open, kind)
        return self._asked[kind]

    def _open(self, kind: _Kind) -> Jail:
        runtimes, (name, libraries) = self._settings.runtimes, kind
        if not runtimes:
            raise EngineError("no runtime found: `make setup` builds .runtimes/, or set CHARTREWARD_RUNTIMES")
        if name not in runtimes:
            raise EngineError(f"this worker has no runtime {name!r}; it has {', '.join(runtimes)}")
        jail = Jail(Runtime(name, runtimes[name], libraries), _jail_settings(self._settings))
        jail.start()
        return jail

    @property
    def _opened(self) -> list[Jail]:
        done = [asked for asked in self._asked.values() if asked.done() and not asked.cancelled()]
        return [asked.result() for asked in done if asked.exception() is None]

    @property
    def level(self) -> str:
        """`full`, or `reduced: <why>` when any jail is."""
        return next((jail.level for jail in self._opened if jail.level != "full"), "full")

    def make_ready(self) -> None:
        """Fork and lock the next job's process where most jobs go; one that waits holds memory."""
        for jail in self._opened:
            if jail.runtime.libraries is Libraries.CORE:
                jail.make_ready()

    def close(self) -> None:
        """End them all. May be called twice."""
        self._thread.shutdown(cancel_futures=True)
        for jail in self._opened:
            jail.close()
        self._asked.clear()


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
