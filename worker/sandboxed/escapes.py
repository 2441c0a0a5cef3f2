"""The self-test: real attempts to get out, made from inside a locked-down child. Each names the hole when it succeeds.

This is trusted code; `worker/jail/self_test.py` sets the traps (`facts`) and refuses to serve when one is sprung.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import mmap
import os
import resource
import signal
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import kernel

Facts = dict[str, Any]
_libc = ctypes.CDLL(None, use_errno=True)
_libc.syscall.restype = ctypes.c_long


def _call(name_x86: int, name_arm: int, *arguments: int | bytes | None) -> int:
    """A raw system call by its numbers on the two architectures; the errno, or 0 when it succeeded."""
    number = name_x86 if kernel.MACHINE == "x86_64" else name_arm
    values = [ctypes.c_long(argument) if isinstance(argument, int) else argument for argument in arguments]
    return 0 if _libc.syscall(ctypes.c_long(number), *values) >= 0 else ctypes.get_errno()


def _read_secret(facts: Facts) -> bool:
    return bool(Path(facts["secret"]).read_bytes())


def _list_outside(facts: Facts) -> bool:
    return bool(list(Path(facts["secret"]).parent.iterdir()))


def _write_outside(facts: Facts) -> bool:
    with Path(facts["secret"]).open("ab") as file:
        return bool(file.write(b"x"))


def _create_outside(facts: Facts) -> bool:
    return bool(Path(facts["secret"] + ".new").write_bytes(b"x"))


def _truncate_outside(facts: Facts) -> bool:
    os.truncate(facts["secret"], 0)
    return True


def _delete_outside(facts: Facts) -> bool:
    Path(facts["secret"]).unlink()
    return True


def _move_outside(facts: Facts) -> bool:
    Path(facts["secret"]).rename("taken")
    return True


def _link_outside(facts: Facts) -> bool:
    for link in (os.symlink, os.link):
        with contextlib.suppress(OSError):
            link(facts["secret"], "link-to-secret")
            return True
    return False


def _read_parent_memory(_facts: Facts) -> bool:
    return bool(Path(f"/proc/{os.getppid()}/environ").read_bytes())


def _connect(facts: Facts) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as tcp:
        tcp.connect(("127.0.0.1", facts["port"]))
    return True


def _datagram(facts: Facts) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        udp.sendto(b"x", ("127.0.0.1", facts["port"]))
    return True


def _unix_socket(facts: Facts) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as unix:
        unix.connect("\0" + facts["abstract"])
    return True


def _fork(_facts: Facts) -> bool:
    pid = os.fork()
    if pid == 0:
        os._exit(0)
    return True


def _exec(_facts: Facts) -> bool:
    # EACCES or ENOENT would mean that exec itself is allowed.
    return _call(59, 221, b"/nonexistent", None, None) != errno.EPERM


def _ptrace_parent(_facts: Facts) -> bool:
    return _call(101, 117, 0x4206, os.getppid(), 0, 0) == 0  # PTRACE_SEIZE


def _read_parent_by_call(_facts: Facts) -> bool:
    return _call(310, 270, os.getppid(), None, 0, None, 0, 0) == 0  # process_vm_readv


def _signal_parent(_facts: Facts) -> bool:
    os.kill(os.getppid(), 0)
    return True


def _signal_sibling(facts: Facts) -> bool:
    os.kill(facts["sibling"], signal.SIGCONT)
    return True


def _inherited_descriptor(_facts: Facts) -> bool:
    open_ones = []
    for fd in range(4, 4096):
        with contextlib.suppress(OSError):
            os.fstat(fd)
            open_ones.append(fd)
    return bool(open_ones)


def _raise_limit(_facts: Facts) -> bool:
    resource.setrlimit(resource.RLIMIT_NOFILE, (1 << 16, 1 << 16))
    return True


def _parent_limits(_facts: Facts) -> bool:
    resource.prlimit(os.getppid(), resource.RLIMIT_NOFILE)
    return True


def _outgrow_memory(facts: Facts) -> bool:
    mmap.mmap(-1, facts["memory_bytes"] + (1 << 20)).close()
    return True


def _namespace(_facts: Facts) -> bool:
    return _call(272, 97, 0x10000000) == 0  # unshare(CLONE_NEWUSER)


def _open_by_handle(_facts: Facts) -> bool:
    return _call(304, 265, -1, None, 0) != errno.EPERM


def _io_uring(_facts: Facts) -> bool:
    return _call(425, 425, 1, None) != errno.EPERM


def _bpf(_facts: Facts) -> bool:
    return _call(321, 280, 0, None, 0) != errno.EPERM


def _shared_memory(_facts: Facts) -> bool:
    return _call(29, 194, 0, 4096, 0o1600) == 0  # shmget(IPC_PRIVATE)


def _shm_folder(facts: Facts) -> bool:
    return bool(Path("/dev/shm", facts["abstract"]).write_bytes(b"x"))


def _keyring(_facts: Facts) -> bool:
    return _call(250, 219, 0, -3, 0, 0, 0) == 0  # keyctl(GET_KEYRING_ID, session)


def _gain_privileges(_facts: Facts) -> bool:
    with contextlib.suppress(OSError):
        os.setuid(0)
        return os.getuid() == 0
    return False


_ATTEMPTS: dict[str, Callable[[Facts], bool]] = {
    "read a file outside": _read_secret,
    "list a folder outside": _list_outside,
    "write a file outside": _write_outside,
    "create a file outside": _create_outside,
    "truncate a file outside": _truncate_outside,
    "move a file outside": _move_outside,
    "link to a file outside": _link_outside,
    "read the parent's /proc": _read_parent_memory,
    "connect over TCP": _connect,
    "send over UDP": _datagram,
    "connect to a Unix socket": _unix_socket,
    "fork": _fork,
    "exec": _exec,
    "ptrace the parent": _ptrace_parent,
    "read the parent's memory": _read_parent_by_call,
    "signal the parent": _signal_parent,
    "signal a sibling": _signal_sibling,
    "use an inherited descriptor": _inherited_descriptor,
    "raise an own limit": _raise_limit,
    "read the parent's limits": _parent_limits,
    "grow past the memory limit": _outgrow_memory,
    "enter a new namespace": _namespace,
    "open by file handle": _open_by_handle,
    "use io_uring": _io_uring,
    "use bpf": _bpf,
    "make shared memory": _shared_memory,
    "write to /dev/shm": _shm_folder,
    "read the keyring": _keyring,
    "become root": _gain_privileges,
    "delete a file outside": _delete_outside,
}


def attempt(facts: Facts) -> list[str]:
    """Try every escape; the names of those that worked."""
    escaped = []
    for name, escape in _ATTEMPTS.items():
        with contextlib.suppress(OSError, ValueError, MemoryError):
            if escape(facts):
                escaped.append(name)
    return escaped
