"""Giving up root: once, in the zygote, before any chart library is imported."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Sequence
from pathlib import Path

import kernel

# SECBIT_NOROOT and NO_CAP_AMBIENT_RAISE, each with its lock.
_SECUREBITS = 0x01 | 0x02 | 0x40 | 0x80
_LAST_CAPABILITY = 63


def _readable(path: Path) -> bool:
    try:
        if path.is_dir():
            next(path.iterdir(), None)
        else:
            path.open("rb").close()
    except OSError:
        return False
    return True


def drop(uid: int, needed: Sequence[Path]) -> str:
    """Become user `uid` without capabilities, for good, and say in words what came of it.

    When `needed` (what the runtime reads) lies behind a directory that user may not enter, such as an interpreter
    under /root, CAP_DAC_READ_SEARCH alone is kept; Landlock still bounds what it can read. Never raises for a
    container that already took root's capabilities away.
    """
    if os.geteuid() != 0:
        kernel.prctl(kernel.PR_SET_NO_NEW_PRIVS, 1)
        kernel.set_capabilities(0)
        return f"user {os.geteuid()}, no capabilities"
    _give_up_bounding_set()
    try:
        kernel.prctl(kernel.PR_SET_KEEPCAPS, 1)
        os.setgroups([])
        os.setresgid(uid, uid, uid)
        os.setresuid(uid, uid, uid)
    except PermissionError:
        kept, outcome = 0, "user 0 without capabilities (this container does not let root become another user)"
    else:
        # The effective set is empty now, the permitted one is not: this is the user's own view of the disk.
        closed = [str(path) for path in needed if not _readable(path)]
        kept = 1 << kernel.CAP_DAC_READ_SEARCH if closed else 0
        outcome = f"user {uid}, no capabilities"
        if closed:
            outcome = f"user {uid}, CAP_DAC_READ_SEARCH kept to reach {', '.join(closed)}"
    kernel.set_capabilities(kept)
    kernel.prctl(kernel.PR_SET_NO_NEW_PRIVS, 1)
    # A change of user id makes a process undumpable, and with it the disk count in /proc/PID/fd unreadable.
    kernel.prctl(kernel.PR_SET_DUMPABLE, 1)
    return outcome


def _give_up_bounding_set() -> None:
    """No later exec can bring a capability back. Without CAP_SETPCAP there is nothing to give up."""
    for capability in range(_LAST_CAPABILITY + 1):
        with contextlib.suppress(OSError):  # beyond the kernel's last one
            kernel.prctl(kernel.PR_CAPBSET_DROP, capability)
    with contextlib.suppress(OSError):
        kernel.prctl(kernel.PR_SET_SECUREBITS, _SECUREBITS)
