"""Resource limits of one job (setrlimit), put in force in the forked child before it reads its job."""

from __future__ import annotations

import resource
from pathlib import Path

_PAGE = resource.getpagesize()
_STATM = Path("/proc/self/statm")


def address_space() -> int:
    """Bytes of address space this process holds now (VmSize)."""
    return int(_STATM.read_bytes().split(b" ", 1)[0]) * _PAGE


def apply(*, memory_bytes: int, cpu_s: int, file_bytes: int, open_files: int, stack_bytes: int) -> None:
    """Set every limit as soft and hard value. Memory counts from what the warm zygote already holds.

    RLIMIT_NPROC is not set: it counts all processes of the user id on the machine, not those of this job.
    """
    for limit, value in (
        (resource.RLIMIT_AS, address_space() + memory_bytes),
        (resource.RLIMIT_CPU, cpu_s),
        (resource.RLIMIT_FSIZE, file_bytes),
        (resource.RLIMIT_NOFILE, open_files),
        (resource.RLIMIT_STACK, stack_bytes),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_MEMLOCK, 0),
        (resource.RLIMIT_MSGQUEUE, 0),
        (resource.RLIMIT_SIGPENDING, 64),
    ):
        resource.setrlimit(limit, (value, value))
