"""The order in which a job's process is locked: everything is in force before it reads the first byte of the job."""

from __future__ import annotations

import fcntl
import os
import sysconfig
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import filter as seccomp_filter
import kernel
import limits

READ = kernel.READ_FILE | kernel.READ_DIR
WORK = (
    READ
    | kernel.WRITE_FILE
    | kernel.TRUNCATE
    | kernel.REMOVE_DIR
    | kernel.REMOVE_FILE
    | kernel.MAKE_DIR
    | kernel.MAKE_REG
    | kernel.REFER
)
# Job socket: the one descriptor beside stdin, stdout and stderr that a job's process holds.
RESULT_FD = 3
_OPEN = os.O_PATH | os.O_CLOEXEC

_SYSTEM = (
    "/lib",
    "/lib64",
    "/usr/lib",
    "/usr/lib64",
    "/usr/share/fonts",
    "/usr/share/zoneinfo",
    "/etc/ld.so.cache",
    "/dev/urandom",
    "/dev/zero",
)


def runtime_folders() -> list[Path]:
    """What the interpreter and its libraries may import at any time: standard library and site-packages."""
    names = ("stdlib", "platstdlib", "purelib", "platlib")
    return sorted({Path(sysconfig.get_path(name)) for name in names} | {Path(__file__).parent})


def _handle(path: Path) -> int:
    """A descriptor that stands for `path`, beyond those that a child puts its own in place of."""
    opened = os.open(path, _OPEN)
    kept = fcntl.fcntl(opened, fcntl.F_DUPFD_CLOEXEC, RESULT_FD + 1)
    os.close(opened)
    return kept


@dataclass(frozen=True)
class Lockdown:
    """What a zygote prepares once so that locking a child is a handful of system calls."""

    zygote: int  # process id of the parent
    abi: int
    rules: tuple[tuple[int, int], ...]  # O_PATH descriptors with the rights on them
    seccomp: kernel.SeccompFilter | None

    @classmethod
    def prepare(cls, config: Path) -> Lockdown:
        """Open the folders a job may read. A missing layer (no Landlock, another machine) shows in the self-test."""
        rights = {Path("/dev/null"): kernel.READ_FILE | kernel.WRITE_FILE | kernel.TRUNCATE}
        for path in [*runtime_folders(), config, *map(Path, _SYSTEM)]:
            rights[path] = READ if path.is_dir() else kernel.READ_FILE
        known = kernel.MACHINE in {"x86_64", "aarch64"}
        return cls(
            zygote=os.getpid(),
            abi=kernel.landlock_abi(),
            rules=tuple((_handle(path), allowed) for path, allowed in rights.items() if path.exists()),
            seccomp=kernel.SeccompFilter(seccomp_filter.build(kernel.MACHINE)) if known else None,
        )

    def apply(self, work: int, caps: dict[str, Any]) -> None:
        """Lock this process: `work` is the descriptor of its work directory, `caps` its limits. Raises OSError."""
        self.leave_session()
        os.umask(0o077)
        os.fchdir(work)
        self.limit(caps)
        self.restrict_files(work)
        self.close_descriptors()
        self.filter_calls()

    def leave_session(self) -> None:
        """A session of its own, that ends with the zygote; first to go when the machine runs out of memory."""
        os.setsid()
        kernel.prctl(kernel.PR_SET_PDEATHSIG, 9)
        if os.getppid() != self.zygote:  # it ended before it could take us along
            raise ProcessLookupError("the zygote is gone")
        Path("/proc/self/oom_score_adj").write_bytes(b"1000")

    def limit(self, caps: dict[str, Any]) -> None:
        """rlimits."""
        limits.apply(
            memory_bytes=caps["memory_bytes"],
            cpu_s=caps["cpu_s"],
            file_bytes=caps["file_bytes"],
            open_files=caps["open_files"],
            stack_bytes=caps["stack_bytes"],
        )

    def restrict_files(self, work: int) -> None:
        """Landlock: files, TCP, signals, abstract sockets, as far as the kernel knows them."""
        if self.abi:
            kernel.landlock(self.abi, [*self.rules, (work, WORK)])

    def close_descriptors(self) -> None:
        """Nothing but stdin, stdout, stderr and the result."""
        os.closerange(RESULT_FD + 1, 1 << 20)

    def filter_calls(self) -> None:
        """seccomp, last: the steps before need calls that it refuses."""
        if self.seccomp:
            self.seccomp.install()
