"""Attempts on the kernel's rarer interfaces, by raw system calls. The filter answers EPERM to all of them.

Most hand over arguments that the kernel refuses with another error before it looks at rights: any other error than
EPERM means that the call reached the kernel. All here may be refused by an outer filter, such as a container's, too.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import signal

import kernel
from escape import ALL, Attempt, Facts, stopped_by

__all__ = ["ALL"]

_libc = ctypes.CDLL(None, use_errno=True)
_libc.syscall.restype = ctypes.c_long
_BAD = 1  # no address
_SELF, _PARENT = b"self", b"parent"  # stand for their process ids in the tables
_SCRATCH = ctypes.create_string_buffer(b"parent", 8)  # at the same address in the zygote

Arguments = tuple[int | bytes | None, ...]
# name: (number on x86_64, on aarch64, arguments)
_REACHED: dict[str, tuple[int, int, Arguments]] = {
    "exec": (59, 221, (b"/nonexistent", None, None)),
    "exec by descriptor": (322, 281, (-1, b"nonexistent", None, None, 0)),
    "mount": (165, 40, (_BAD, _BAD, _BAD, 0, _BAD)),
    "change the root": (161, 51, (_BAD,)),
    "enter a namespace": (308, 268, (-1, 0)),
    "leave the shared namespace of files": (272, 97, (0x200,)),  # unshare(CLONE_FS): nobody is refused it
    "name a file by handle": (303, 264, (-100, _BAD, None, None, 0)),
    "use io_uring": (425, 425, (1, None)),
    "use bpf": (321, 280, (-1, None, 0)),
    "use performance counters": (298, 241, (None, 0, -1, -1, 0)),
    "add a key": (248, 217, (_BAD, None, None, 0, 0)),
    "splice": (275, 76, (-1, None, -1, None, 1, 0)),
    "splice memory": (278, 75, (-1, None, 0, 0)),
    "watch files": (254, 27, (-1, b"x", 1)),
    "tee": (276, 77, (-1, -1, 1, 0)),
    "send on the result's socket": (46, 211, (3, None, 0)),
    "receive on the result's socket": (47, 212, (3, None, 0)),
    "lock a file": (73, 32, (-1, 2)),
    "see what others keep in memory": (27, 232, (0, 0, None)),
    "outlive the zygote": (157, 167, (1, 0, 0, 0, 0)),  # prctl(PR_SET_PDEATHSIG, 0)
    "stack a filter": (317, 277, (2, 0, None)),  # SECCOMP_GET_ACTION_AVAIL
    "send a signal by descriptor": (424, 424, (-1, 0, None, 0)),
    "queue a signal": (129, 138, (_SELF, 0, _BAD)),
    "set a time slice": (251, 30, (1, 0, 0x4000)),  # ioprio_set, best effort
}
# The same, where working means a result that is no error.
_WORKS: dict[str, tuple[int, int, Arguments]] = {
    "enter a user namespace": (272, 97, (0x10000000,)),
    "read the keyring": (250, 219, (0, -3, 0, 0, 0)),
    "make a memory file": (319, 279, (b"x", 0)),
    "catch page faults": (323, 282, (1,)),  # UFFD_USER_MODE_ONLY
    "change its personality": (135, 92, (0xFFFFFFFF,)),
    "open a handle on the parent": (434, 434, (_PARENT, 0)),
}

# What no usual machine or container refuses: the tests insist on these.
_EVERYWHERE = frozenset(
    {"exec", "exec by descriptor", "splice", "splice memory", "tee"}
    | {"send on the result's socket", "receive on the result's socket", "lock a file"}
    | {"see what others keep in memory", "outlive the zygote", "queue a signal", "set a time slice"}
    | {"make a memory file", "watch files"}
)


def call(x86: int, arm: int, *arguments: int | bytes | object | None) -> int:
    """A raw system call by its numbers on the two architectures: its result. Raises OSError."""
    number = x86 if kernel.MACHINE == "x86_64" else arm
    values = [ctypes.c_long(argument) if isinstance(argument, int) else argument for argument in arguments]
    result = int(_libc.syscall(ctypes.c_long(number), *values))
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return result


def _made(x86: int, arm: int, arguments: Arguments) -> int:
    pids = {_SELF: os.getpid(), _PARENT: os.getppid()}
    return call(x86, arm, *(pids.get(one, one) if isinstance(one, bytes) else one for one in arguments))


def _reaching(x86: int, arm: int, arguments: Arguments) -> Attempt:
    def attempt(_facts: Facts) -> bool:
        try:
            _made(x86, arm, arguments)
        except OSError as error:
            return error.errno != errno.EPERM
        return True

    return attempt


def _working(x86: int, arm: int, arguments: Arguments) -> Attempt:
    return lambda _facts: _made(x86, arm, arguments) >= 0


for _name, _row in _REACHED.items():
    stopped_by(_name, "seccomp", machine=_name not in _EVERYWHERE)(_reaching(*_row))
for _name, _row in _WORKS.items():
    stopped_by(_name, "seccomp", machine=_name not in _EVERYWHERE)(_working(*_row))


@stopped_by("fork by clone", "seccomp")
def _clone(_facts: Facts) -> bool:
    """As vfork, with the parent waiting, but with memory of its own."""
    pid = call(56, 220, 0x4000 | 17, 0, 0, 0, 0)  # CLONE_VFORK | SIGCHLD
    if pid == 0:
        os._exit(0)
    os.waitpid(pid, 0)
    return True


@stopped_by("use clone3", "seccomp", machine=True)
def _clone3(_facts: Facts) -> bool:
    try:
        call(435, 435, None, 0)
    except OSError as error:
        return error.errno not in (errno.ENOSYS, errno.EPERM)
    return True


@stopped_by("ptrace the parent", "seccomp", "landlock", machine=True)
def _ptrace_parent(_facts: Facts) -> bool:
    return call(101, 117, 0x4206, os.getppid(), 0, 0) == 0  # PTRACE_SEIZE; it ends with us


def _vectors() -> tuple[object, object]:
    """An own buffer and the parent's, as two iovecs."""
    local = ctypes.create_string_buffer(8)
    vector = ctypes.c_uint64 * 2
    mine, theirs = vector(ctypes.addressof(local), 8), vector(ctypes.addressof(_SCRATCH), 8)
    _kept.append(local)
    return mine, theirs


_kept: list[object] = []


@stopped_by("compare itself with the parent", "seccomp", "landlock", machine=True)
def _compare(_facts: Facts) -> bool:
    return call(312, 272, os.getpid(), os.getppid(), 0, 0, 0) >= 0  # kcmp


@stopped_by("lock memory", "limits", "seccomp")
def _lock_memory(_facts: Facts) -> bool:
    return call(149, 228, 0, 0) == 0  # mlock


@stopped_by("read the parent's memory", "seccomp", "landlock", machine=True)
def _read_parent(_facts: Facts) -> bool:
    mine, theirs = _vectors()
    return call(310, 270, os.getppid(), mine, 1, theirs, 1, 0) == 8  # process_vm_readv


@stopped_by("write the parent's memory", "seccomp", "landlock", machine=True)
def _write_parent(_facts: Facts) -> bool:
    mine, theirs = _vectors()
    return call(311, 271, os.getppid(), mine, 1, theirs, 1, 0) == 8  # process_vm_writev


@stopped_by("take a descriptor of the parent", "seccomp", "landlock", machine=True)
def _take_descriptor(_facts: Facts) -> bool:
    handle = call(434, 434, os.getppid(), 0)
    try:
        os.close(call(438, 438, handle, 0, 0))
        return True
    finally:
        os.close(handle)


@stopped_by("make shared memory", "seccomp")
def _shared_memory(_facts: Facts) -> bool:
    segment = call(29, 194, 0, 4096, 0o1600)  # shmget(IPC_PRIVATE)
    call(31, 195, segment, 0, None)  # shmctl(IPC_RMID)
    return True


@stopped_by("make a semaphore", "seccomp")
def _semaphore(_facts: Facts) -> bool:
    made = call(64, 190, 0, 1, 0o1600)  # semget
    call(66, 191, made, 0, 0, 0)  # semctl(IPC_RMID)
    return True


@stopped_by("make a message queue", "seccomp")
def _message_queue(_facts: Facts) -> bool:
    made = call(68, 186, 0, 0o1600)  # msgget
    call(71, 187, made, 0, None)  # msgctl(IPC_RMID)
    return True


@stopped_by("make a named message queue", "landlock", "limits", "seccomp", machine=True)
def _named_queue(facts: Facts) -> bool:
    name = f"{facts['abstract']}-{os.getpid()}".encode()
    try:
        os.close(call(240, 180, name, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600, None))  # mq_open
        return True
    finally:  # Landlock refuses to open what the kernel has already made
        with contextlib.suppress(OSError):
            call(241, 181, name)  # mq_unlink


@stopped_by("command a device", "seccomp")
def _device_command(_facts: Facts) -> bool:
    """FIOASYNC on a pipe: one of the thousand ioctls that nobody here needs."""
    ends = os.pipe()
    try:
        return call(16, 29, ends[0], 0x5452, ctypes.byref(ctypes.c_int(0))) == 0
    finally:
        for end in ends:
            os.close(end)


@stopped_by("push input into a terminal", "landlock", "seccomp", machine=True)
def _push_input(_facts: Facts) -> bool:
    ends = os.openpty()
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)  # which comes when the terminal goes
    try:
        call(16, 29, ends[1], 0x540E, 0)  # TIOCSCTTY
        return call(16, 29, ends[1], 0x5412, ctypes.byref(ctypes.c_char(b"x"))) == 0  # TIOCSTI
    finally:
        for end in ends:
            os.close(end)
        signal.signal(signal.SIGHUP, before)


@stopped_by("take a lease on a file", "seccomp", machine=True)
def _lease(_facts: Facts) -> bool:
    descriptor = os.open("leased", os.O_CREAT | os.O_RDONLY)
    try:
        return call(72, 25, descriptor, 1024, 0) == 0  # fcntl(F_SETLEASE, F_RDLCK)
    finally:
        os.close(descriptor)
