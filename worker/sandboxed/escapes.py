"""The self-test: real attempts to get out, made from inside a locked-down child. Each names the hole when it succeeds.

This is trusted code; `worker/jail/self_test.py` sets the traps (`facts`) and refuses to serve when one is sprung. Each
attempt also names the layers that stop it: `tests/jail/test_escapes.py` takes those away, and it must succeed.
Attempts on the kernel itself (escapes_kernel.py) are in the same table.
"""

from __future__ import annotations

import contextlib
import mmap
import os
import resource
import signal
import socket
from pathlib import Path

from escape import Escape, Facts, stopped_by

_SHM = Path("/dev/shm")


@stopped_by("read a file outside", "landlock")
def _read_secret(facts: Facts) -> bool:
    return bool(Path(facts["secret"]).read_bytes())


@stopped_by("list a folder outside", "landlock")
def _list_outside(facts: Facts) -> bool:
    return bool(list(Path(facts["secret"]).parent.iterdir()))


@stopped_by("write a file outside", "landlock")
def _write_outside(facts: Facts) -> bool:
    with Path(facts["secret"]).open("ab") as file:
        return bool(file.write(b"x"))


@stopped_by("create a file outside", "landlock")
def _create_outside(facts: Facts) -> bool:
    return bool(Path(facts["secret"] + ".new").write_bytes(b"x"))


@stopped_by("make a folder outside", "landlock")
def _folder_outside(facts: Facts) -> bool:
    Path(facts["secret"] + ".folder").mkdir()
    return True


@stopped_by("truncate a file outside", "landlock", "seccomp")
def _truncate_outside(facts: Facts) -> bool:
    os.truncate(facts["secret"], 0)
    return True


@stopped_by("truncate a file outside on opening it", "landlock")
def _open_truncating(facts: Facts) -> bool:
    os.close(os.open(facts["secret"], os.O_WRONLY | os.O_TRUNC))
    return True


@stopped_by("move a file outside", "landlock")
def _move_outside(facts: Facts) -> bool:
    Path(facts["spare"]).rename(facts["spare"] + ".moved")
    return True


@stopped_by("delete a file outside", "landlock")
def _delete_outside(facts: Facts) -> bool:
    Path(facts["doomed"]).unlink()
    return True


@stopped_by("change the mode of a file outside", "seccomp")
def _chmod_outside(facts: Facts) -> bool:
    """The filter says yes and does nothing."""
    path = Path(facts["secret"])
    wanted = path.stat().st_mode & 0o777 ^ 0o001
    path.chmod(wanted)
    return path.stat().st_mode & 0o777 == wanted


@stopped_by("change the times of a file outside", "seccomp")
def _utime_outside(facts: Facts) -> bool:
    os.utime(facts["secret"], (1, 1))
    return os.stat(facts["secret"]).st_mtime == 1  # noqa: PTH116 (as one call)


@stopped_by("make a symbolic link", "landlock", "seccomp")
def _symlink(facts: Facts) -> bool:
    Path("link").symlink_to(facts["secret"])
    return True


@stopped_by("make a hard link", "seccomp")
def _hard_link(_facts: Facts) -> bool:
    Path("linked").write_bytes(b"")
    os.link("linked", "again")
    return True


@stopped_by("make a FIFO", "landlock", "seccomp")
def _fifo(_facts: Facts) -> bool:
    os.mkfifo("fifo")
    return True


@stopped_by("make a file without a name", "seccomp", machine=True)
def _unnamed_file(_facts: Facts) -> bool:
    os.close(os.open(".", os.O_TMPFILE | os.O_RDWR))
    return True


@stopped_by("write to /dev/shm", "landlock", machine=True)
def _shm_folder(facts: Facts) -> bool:
    path = _SHM / facts["abstract"]
    path.write_bytes(b"x")
    path.unlink()
    return True


@stopped_by("open a terminal", "landlock", machine=True)
def _terminal(_facts: Facts) -> bool:
    os.close(os.open("/dev/ptmx", os.O_RDWR | os.O_NOCTTY))
    return True


@stopped_by("read the parent's /proc", "landlock")
def _parent_environment(_facts: Facts) -> bool:
    os.close(os.open(f"/proc/{os.getppid()}/environ", os.O_RDONLY))
    return True


@stopped_by("open the parent's memory", "landlock", machine=True)
def _parent_memory(_facts: Facts) -> bool:
    os.close(os.open(f"/proc/{os.getppid()}/mem", os.O_RDWR))
    return True


@stopped_by("open its own memory", "landlock")
def _own_memory(_facts: Facts) -> bool:
    os.close(os.open("/proc/self/mem", os.O_RDWR))
    return True


@stopped_by("spare itself when memory runs out", "landlock")
def _spare_itself(_facts: Facts) -> bool:
    return bool(Path("/proc/self/oom_score_adj").write_bytes(b"1000"))


@stopped_by("list all processes", "landlock")
def _list_processes(_facts: Facts) -> bool:
    return bool(list(Path("/proc").iterdir()))


# --- network ------------------------------------------------------------------------------------


@stopped_by("connect over TCP", "seccomp", "landlock", landlock_since=4)
def _connect(facts: Facts) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as tcp:
        tcp.connect(("127.0.0.1", facts["port"]))
    return True


@stopped_by("listen on TCP", "seccomp", "landlock", landlock_since=4)
def _listen(_facts: Facts) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as tcp:
        tcp.bind(("127.0.0.1", 0))
        tcp.listen()
    return True


@stopped_by("send over UDP", "seccomp")
def _datagram(facts: Facts) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        udp.sendto(b"x", ("127.0.0.1", facts["port"]))
    return True


@stopped_by("connect to an abstract Unix socket", "seccomp", "landlock", landlock_since=6)
def _abstract_socket(facts: Facts) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as unix:
        unix.connect("\0" + facts["abstract"])
    return True


@stopped_by("connect to a Unix socket", "seccomp")
def _unix_socket(facts: Facts) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as unix:
        unix.connect(facts["socket"])
    return True


@stopped_by("make a pair of sockets", "seccomp")
def _socketpair(_facts: Facts) -> bool:
    for end in socket.socketpair():
        end.close()
    return True


@stopped_by("open a netlink socket", "seccomp")
def _netlink(_facts: Facts) -> bool:
    socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0).close()
    return True


@stopped_by("open a kernel crypto socket", "seccomp", machine=True)
def _kernel_crypto(_facts: Facts) -> bool:
    socket.socket(38, socket.SOCK_SEQPACKET, 0).close()  # AF_ALG
    return True


@stopped_by("open a virtual machine socket", "seccomp", machine=True)
def _vsock(_facts: Facts) -> bool:
    socket.socket(40, socket.SOCK_STREAM, 0).close()  # AF_VSOCK
    return True


# --- other processes ----------------------------------------------------------------------------


@stopped_by("fork", "seccomp")
def _fork(_facts: Facts) -> bool:
    pid = os.fork()
    if pid == 0:
        os._exit(0)
    os.waitpid(pid, 0)
    return True


@stopped_by("signal the parent", "seccomp", "landlock", landlock_since=6)
def _signal_parent(_facts: Facts) -> bool:
    os.kill(os.getppid(), 0)
    return True


@stopped_by("signal a sibling", "seccomp", "landlock", landlock_since=6)
def _signal_sibling(facts: Facts) -> bool:
    os.kill(facts["sibling"], signal.SIGCONT)
    return True


@stopped_by("signal everything", "seccomp")
def _signal_all(_facts: Facts) -> bool:
    """Landlock stops it, too, but the kernel says yes even when nobody could be signalled."""
    os.kill(-1, 0)
    return True


@stopped_by("signal itself", "seccomp")
def _signal_itself(_facts: Facts) -> bool:
    """Stopping itself would make it look asleep to a clock that counts CPU time."""
    os.kill(os.getpid(), 0)
    return True


@stopped_by("change the parent's priority", "seccomp")
def _parent_priority(_facts: Facts) -> bool:
    os.setpriority(os.PRIO_PROCESS, os.getppid(), os.getpriority(os.PRIO_PROCESS, os.getppid()))
    return True


@stopped_by("pin the parent to a processor", "seccomp")
def _parent_affinity(_facts: Facts) -> bool:
    os.sched_setaffinity(os.getppid(), os.sched_getaffinity(os.getppid()))
    return True


@stopped_by("change how the parent is scheduled", "seccomp")
def _parent_scheduler(_facts: Facts) -> bool:
    os.sched_setscheduler(os.getppid(), os.SCHED_OTHER, os.sched_param(0))
    return True


@stopped_by("read the parent's limits", "seccomp")
def _parent_limits(_facts: Facts) -> bool:
    resource.prlimit(os.getppid(), resource.RLIMIT_NOFILE)
    return True


@stopped_by("change the parent's limits", "seccomp")
def _change_parent_limits(_facts: Facts) -> bool:
    resource.prlimit(os.getppid(), resource.RLIMIT_NICE, (0, 0))  # its value already
    return True


@stopped_by("use an inherited descriptor", "descriptors")
def _inherited_descriptor(_facts: Facts) -> bool:
    open_ones = []
    for fd in range(4, 4096):
        with contextlib.suppress(OSError):
            os.fstat(fd)
            open_ones.append(fd)
    return bool(open_ones)


@stopped_by("become root", "user", "seccomp", machine=True)
def _become_root(_facts: Facts) -> bool:
    os.setresuid(0, 0, 0)
    return os.getuid() == 0


# --- limits -------------------------------------------------------------------------------------


@stopped_by("change an own limit", "limits", "seccomp")
def _change_limit(_facts: Facts) -> bool:
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    return most > 256


@stopped_by("grow past the memory limit", "limits", machine=True)
def _outgrow_memory(facts: Facts) -> bool:
    mmap.mmap(-1, facts["memory_bytes"] + (1 << 20)).close()
    return True


@stopped_by("write a file past its limit", "limits")
def _outgrow_file(facts: Facts) -> bool:
    descriptor = os.open("large", os.O_CREAT | os.O_WRONLY)
    try:
        return os.pwrite(descriptor, b"x", facts["file_bytes"] + 1) == 1
    finally:
        os.close(descriptor)
        Path("large").unlink()


@stopped_by("open files without end", "limits", machine=True)
def _many_files(facts: Facts) -> bool:
    opened: list[int] = []
    try:
        while len(opened) <= facts["open_files"]:
            opened.append(os.open("/dev/null", os.O_RDONLY))
        return True
    finally:
        for descriptor in opened:
            os.close(descriptor)


@stopped_by("use CPU time without end", "limits", machine=True)
def _endless_time(_facts: Facts) -> bool:
    return resource.getrlimit(resource.RLIMIT_CPU)[1] == resource.RLIM_INFINITY


@stopped_by("leave a core file", "limits", machine=True)
def _core_file(_facts: Facts) -> bool:
    return resource.getrlimit(resource.RLIMIT_CORE)[1] != 0


def attempt(facts: Facts, escapes: dict[str, Escape] | None = None) -> list[str]:
    """Try every escape (or those given); the names of those that worked."""
    import escapes_kernel  # registers its own

    escaped = []
    for name, escape in (escapes_kernel.ALL if escapes is None else escapes).items():
        with contextlib.suppress(OSError, ValueError, MemoryError):
            if escape.attempt(facts):
                escaped.append(name)
    return escaped
