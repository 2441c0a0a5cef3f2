"""What a jail is told: which runtime, and how much a job may use."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path


class JailError(Exception):
    """The jail itself failed (not the job in it): the item becomes `worker_error`, which is never a reward."""


class Libraries(StrEnum):
    """What a zygote has loaded before a job comes. A job may import the rest itself; that takes its own time."""

    CORE = "core"  # matplotlib and NumPy
    ALL = "all"  # pandas, SciPy, seaborn, networkx and so on, too


@dataclass(frozen=True, slots=True)
class Runtime:
    """A chart environment: its name, the Python interpreter of its own venv, and what is loaded of it beforehand."""

    name: str
    python: Path
    libraries: Libraries = Libraries.ALL


@dataclass(frozen=True, slots=True)
class JailSettings:
    """Limits of one job, and how the zygote is kept. A request may set its own time and memory, up to an operator's
    maximum that the caller enforces."""

    timeout_s: float = 10.0  # wall clock, from the moment execution starts
    memory_mb: int = 768  # address space above what the warm interpreter holds
    dpi: float = 100.0
    max_pixels: int = 16_000_000
    max_figures: int = 200
    output_bytes: int = 1_048_576  # stdout and stderr together; drained always, discarded
    work_bytes: int = 64 * 1_048_576
    work_inodes: int = 1024
    threads: int = 64
    open_files: int = 256
    description_bytes: int = 16 * 1_048_576
    picture_bytes: int = 32 * 1_048_576  # an encoded reference picture
    reduced: bool = False  # serve although the self-test found holes; the level then says which
    recycle_after: int = 5_000  # jobs a zygote serves before a fresh one takes over
    recycle_s: float = 3600.0
    recycle_growth_mb: int = 256
    start_timeout_s: float = 120.0
    uid: int | None = None  # the user to become when started as root; None: one of systemd's dynamic range
    # Where work directories live, best a tmpfs; None: TMPDIR if set, else /dev/shm, else /tmp
    work_root: Path | None = None
