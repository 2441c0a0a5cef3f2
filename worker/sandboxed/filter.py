"""The seccomp policy as a BPF program: an allow-list, searched as a binary tree over call numbers.

Unknown calls fail with EPERM instead of killing, so that foreseeable library probes fall back; only a foreign
architecture (int 0x80) or an x32 number kills the process.
"""

from __future__ import annotations

import errno
import struct
from collections.abc import Callable

import syscalls

# BPF opcodes (linux/bpf_common.h): load a word of seccomp_data; jumps; return.
_LD, _JA, _JEQ, _JGE, _JSET, _RET = 0x20, 0x05, 0x15, 0x35, 0x45, 0x06
_AND = 0x54
_NR, _ARCH = 0, 4  # offsets in struct seccomp_data

_ALLOW, _ERRNO, _KILL = 0x7FFF0000, 0x00050000, 0x80000000
_AUDIT_ARCH = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
_X32_BIT = 0x40000000

Program = list[tuple[int, int, int, int]]  # (opcode, jump if true, jump if false, operand)


def _ret(value: int) -> Program:
    return [(_RET, 0, 0, value)]


def _errno(code: int) -> Program:
    return _ret(_ERRNO | code)


def _low(argument: int) -> int:
    """Offset of the low half of an argument (both tables are little-endian)."""
    return 16 + 8 * argument


def _all_of(argument: int, required: int, refused: int) -> Program:
    """Allow when every bit of `required` and none of `refused` is set in the low half of the argument."""
    return [
        (_LD, 0, 0, _low(argument)),
        (_JSET, 3, 0, refused),
        (_AND, 0, 0, required),
        (_JEQ, 0, 1, required),
        *_ret(_ALLOW),
        *_errno(errno.EPERM),
    ]


def _one_of(argument: int, values: list[int], otherwise: int = errno.EPERM) -> Program:
    """Allow when the low half of the argument is one of `values`."""
    checks: Program = [(_JEQ, len(values) - place, 0, value) for place, value in enumerate(values)]
    return [(_LD, 0, 0, _low(argument)), *checks, *_errno(otherwise), *_ret(_ALLOW)]


def _without(argument: int, refused: int, otherwise: int) -> Program:
    """Allow unless a bit of `refused` is set in the low half of the argument."""
    return [(_LD, 0, 0, _low(argument)), (_JSET, 0, 1, refused), *_errno(otherwise), *_ret(_ALLOW)]


def _own_limits() -> Program:
    """prlimit64 may only read limits, and only one's own: pid 0, no new value."""
    return [
        (_LD, 0, 0, _low(0)),
        (_JEQ, 0, 5, 0),
        (_LD, 0, 0, _low(2)),
        (_JEQ, 0, 3, 0),
        (_LD, 0, 0, _low(2) + 4),
        (_JEQ, 0, 1, 0),
        *_ret(_ALLOW),
        *_errno(errno.EPERM),
    ]


# CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD: a thread and nothing else; no ptrace, vfork,
# parent change, namespaces or I/O contexts.
_THREAD = 0x100 | 0x200 | 0x400 | 0x800 | 0x10000
_NOT_A_THREAD = (
    0x80 | 0x1000 | 0x2000 | 0x4000 | 0x8000 | 0x20000 | 0x800000 | 0x02000000
    | 0x04000000 | 0x08000000 | 0x10000000 | 0x20000000 | 0x40000000 | 0x80000000
)  # fmt: skip
_O_TMPFILE = 0o20000000  # an unlinked file from the start would hide from the disk count
_PR_SET_NAME, _PR_GET_NAME, _PR_GET_DUMPABLE = 15, 16, 3
_F_DUPFD, _F_GETFD, _F_SETFD, _F_GETFL, _F_SETFL, _F_DUPFD_CLOEXEC = 0, 1, 2, 3, 4, 1030  # no locks, leases, pipes
_TCGETS, _TIOCGWINSZ, _FIONREAD, _FIOCLEX, _FIONCLEX, _FIONBIO = 0x5401, 0x5413, 0x541B, 0x5451, 0x5450, 0x5421
_TCGETS2 = 0x802C542A

_CONDITIONS: dict[str, Callable[[], Program]] = {
    "clone": lambda: _all_of(0, _THREAD, _NOT_A_THREAD),
    "open": lambda: _without(1, _O_TMPFILE, errno.EOPNOTSUPP),
    "openat": lambda: _without(2, _O_TMPFILE, errno.EOPNOTSUPP),
    "prctl": lambda: _one_of(0, [_PR_SET_NAME, _PR_GET_NAME, _PR_GET_DUMPABLE]),
    "fcntl": lambda: _one_of(1, [_F_DUPFD, _F_GETFD, _F_SETFD, _F_GETFL, _F_SETFL, _F_DUPFD_CLOEXEC]),
    "ioctl": lambda: _one_of(
        1, [_TCGETS, _TCGETS2, _TIOCGWINSZ, _FIONREAD, _FIOCLEX, _FIONCLEX, _FIONBIO], errno.ENOTTY
    ),
    "prlimit64": _own_limits,
    # MAP_HUGETLB: pages of a pool that belongs to the whole machine.
    "mmap": lambda: _without(3, 0x40000, errno.ENOMEM),
}


def _actions(column: int) -> dict[int, Program]:
    """Call number -> what to do, for one column of the tables in syscalls.py."""
    groups = [
        (syscalls.ALLOWED, _ret(_ALLOW)),
        (syscalls.PRETENDED, _errno(0)),
        (syscalls.UNKNOWN, _errno(errno.ENOSYS)),
        (syscalls.UNSUPPORTED, _errno(errno.EOPNOTSUPP)),
    ]
    found: dict[int, Program] = {}
    for table, action in groups:
        found.update({number: action for pair in table.values() if (number := pair[column]) is not None})
    for name, pair in syscalls.CONDITIONAL.items():
        if (number := pair[column]) is not None:
            found[number] = _CONDITIONS[name]()
    return found


def _tree(ranges: list[tuple[int, Program]]) -> Program:
    """Binary search: the action of the last range whose first number is not above the call's."""
    if len(ranges) == 1:
        return ranges[0][1]
    middle = len(ranges) // 2
    left, right = _tree(ranges[:middle]), _tree(ranges[middle:])
    # Conditional jumps reach 255 instructions, so the far side is reached by an unconditional one.
    return [(_JGE, 0, 1, ranges[middle][0]), (_JA, 0, 0, len(left)), *left, *right]


def build(machine: str) -> bytes:
    """The filter for `machine` ("x86_64" or "aarch64") as BPF bytes. Raises KeyError for another machine."""
    arch = _AUDIT_ARCH[machine]
    column = 0 if machine == "x86_64" else 1
    actions = _actions(column)
    refuse = _errno(errno.EPERM)
    ranges: list[tuple[int, Program]] = []
    for number in range(max(actions) + 2):
        action = actions.get(number, refuse)
        if not ranges or ranges[-1][1] != action:
            ranges.append((number, action))
    # x32 numbers share x86_64's architecture word but carry bit 30.
    ranges.append((_X32_BIT, _ret(_KILL) if machine == "x86_64" else refuse))
    program: Program = [
        (_LD, 0, 0, _ARCH),
        (_JEQ, 1, 0, arch),
        *_ret(_KILL),
        (_LD, 0, 0, _NR),
        *_tree(ranges),
    ]
    return b"".join(struct.pack("<HBBI", *instruction) for instruction in program)
