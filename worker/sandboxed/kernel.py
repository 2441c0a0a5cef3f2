"""The few kernel interfaces Python lacks: Landlock, seccomp, prctl and capabilities, by ctypes.

Everything is bound when this module is imported (in the zygote), so that a forked child looks nothing up.
Sources: landlock(7), seccomp(2), prctl(2), capabilities(7), linux/landlock.h, linux/filter.h.
"""

from __future__ import annotations

import ctypes
import os
import platform
from typing import Final

_libc: Final = ctypes.CDLL(None, use_errno=True)
_syscall: Final = _libc.syscall
_syscall.restype = ctypes.c_long

MACHINE: Final = platform.machine()
# Calls without a C library wrapper; the Landlock numbers are the same on every architecture.
_LANDLOCK_CREATE, _LANDLOCK_ADD, _LANDLOCK_RESTRICT = 444, 445, 446
_SECCOMP: Final = {"x86_64": 317, "aarch64": 277}.get(MACHINE, -1)
_CAPSET: Final = {"x86_64": 126, "aarch64": 91}.get(MACHINE, -1)

PR_SET_PDEATHSIG, PR_SET_DUMPABLE, PR_SET_KEEPCAPS, PR_CAPBSET_DROP = 1, 4, 8, 24
PR_SET_SECUREBITS, PR_SET_CHILD_SUBREAPER, PR_SET_NO_NEW_PRIVS, PR_CAP_AMBIENT = 28, 36, 38, 47
CAP_DAC_READ_SEARCH: Final = 2

# Landlock file rights, in the order of their bits.
EXECUTE, WRITE_FILE, READ_FILE, READ_DIR, REMOVE_DIR, REMOVE_FILE = (1 << bit for bit in range(6))
MAKE_CHAR, MAKE_DIR, MAKE_REG, MAKE_SOCK, MAKE_FIFO, MAKE_BLOCK, MAKE_SYM = (1 << bit for bit in range(6, 13))
REFER, TRUNCATE, IOCTL_DEV = (1 << bit for bit in range(13, 16))


class KernelError(OSError):
    """A kernel interface refused; the message names it."""


def _check(result: int, what: str) -> int:
    if result < 0:
        code = ctypes.get_errno()
        raise KernelError(code, f"{what}: {os.strerror(code)}")
    return result


def prctl(option: int, first: int = 0, second: int = 0) -> int:
    """prctl(2). Raises KernelError."""
    arguments = (ctypes.c_ulong(first), ctypes.c_ulong(second), ctypes.c_ulong(0), ctypes.c_ulong(0))
    return _check(_libc.prctl(ctypes.c_int(option), *arguments), f"prctl({option}, {first})")


def set_capabilities(mask: int) -> None:
    """Leave exactly the capabilities of `mask` permitted and effective, none inheritable. Raises KernelError."""
    header = (ctypes.c_uint32 * 2)(0x20080522, 0)  # _LINUX_CAPABILITY_VERSION_3, this process
    low, high = mask & 0xFFFFFFFF, mask >> 32
    data = (ctypes.c_uint32 * 6)(low, low, 0, high, high, 0)
    _check(_syscall(ctypes.c_long(_CAPSET), header, data), "capset")


# --- Landlock ---------------------------------------------------------------------------------


class _RulesetAttr(ctypes.Structure):
    _fields_ = (
        ("handled_access_fs", ctypes.c_uint64),
        ("handled_access_net", ctypes.c_uint64),
        ("scoped", ctypes.c_uint64),
    )


class _PathBeneathAttr(ctypes.Structure):
    _pack_ = 1
    _layout_ = "ms"
    _fields_ = (("allowed_access", ctypes.c_uint64), ("parent_fd", ctypes.c_int32))


def landlock_abi() -> int:
    """The Landlock version of the running kernel; 0 when it has none or it is switched off."""
    return max(0, int(_syscall(ctypes.c_long(_LANDLOCK_CREATE), None, ctypes.c_size_t(0), ctypes.c_uint32(1))))


def file_rights(abi: int) -> int:
    """Every file right that Landlock version `abi` can deny."""
    bits = 13 + (abi >= 2) + (abi >= 3) + (abi >= 5)
    return (1 << bits) - 1


def _attributes(abi: int) -> tuple[_RulesetAttr, int]:
    """What a ruleset of version `abi` handles (all files, all TCP, all scopes) and the size of its C struct."""
    net = 0b11 if abi >= 4 else 0  # bind, connect
    scoped = 0b11 if abi >= 6 else 0  # abstract Unix sockets, signals
    size = 24 if abi >= 6 else 16 if abi >= 4 else 8
    return _RulesetAttr(file_rights(abi), net, scoped), size


def landlock(abi: int, rules: list[tuple[int, int]]) -> None:
    """Put this thread under a fresh ruleset that denies all but `rules`: (path fd, file rights) pairs.

    Rights the running version does not know are left out of a rule. Raises KernelError.
    """
    attributes, size = _attributes(abi)
    created = _syscall(
        ctypes.c_long(_LANDLOCK_CREATE), ctypes.byref(attributes), ctypes.c_size_t(size), ctypes.c_uint32(0)
    )
    ruleset = _check(created, "landlock_create_ruleset")
    known = file_rights(abi)
    for fd, rights in rules:
        rule = _PathBeneathAttr(rights & known, fd)
        added = _syscall(
            ctypes.c_long(_LANDLOCK_ADD),
            ctypes.c_int(ruleset),
            ctypes.c_int(1),
            ctypes.byref(rule),
            ctypes.c_uint32(0),
        )
        _check(added, "landlock_add_rule")
    restricted = _syscall(ctypes.c_long(_LANDLOCK_RESTRICT), ctypes.c_int(ruleset), ctypes.c_uint32(0))
    _check(restricted, "landlock_restrict_self")
    os.close(ruleset)


# --- seccomp ----------------------------------------------------------------------------------


class _Program(ctypes.Structure):
    _fields_ = (("len", ctypes.c_ushort), ("filter", ctypes.c_void_p))


class SeccompFilter:
    """A BPF program kept ready in memory; `install` puts the calling thread under it."""

    def __init__(self, program: bytes) -> None:
        if len(program) % 8 or not program:
            raise ValueError(f"a BPF program is a row of 8-byte instructions, not {len(program)} bytes")
        self._code = ctypes.create_string_buffer(program, len(program))
        self._program = _Program(len(program) // 8, ctypes.addressof(self._code))

    def install(self) -> None:
        """seccomp(SECCOMP_SET_MODE_FILTER); needs no_new_privs. Raises KernelError."""
        installed = _syscall(ctypes.c_long(_SECCOMP), ctypes.c_uint(1), ctypes.c_uint(0), ctypes.byref(self._program))
        _check(installed, "seccomp")
