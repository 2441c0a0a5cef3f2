"""The private folder of a jail on disk: one work directory a job, counted while it runs, gone afterwards.

Everything in a work directory was named by hostile code, so nothing here follows a link, builds a path, or recurses
deeper than it holds descriptors for.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import stat
import tempfile
from pathlib import Path

_NAME = "chartreward-jail-"
_MAX_DEPTH = 64
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


class WorkFolder:
    """A jail's folder: `config` for the zygote's caches, `work` for the job that runs now."""

    def __init__(self, root: Path | None, owner: int | None) -> None:
        parent = root or _default_root()
        _remove_abandoned(parent)
        self.path = Path(tempfile.mkdtemp(prefix=_NAME, dir=parent))
        self._owner = owner
        self._fd = os.open(self.path, _FOLDER)
        fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)  # held while this jail lives
        self.config = self.path / "config"
        self.config.mkdir(mode=0o700)
        if owner is not None:
            os.chown(self._fd, owner, owner)
            os.chown(self.config, owner, owner)

    def new_work(self) -> int:
        """Make the work directory of a job; its descriptor."""
        if self.leftovers():  # an earlier clearing failed
            self.clear_work()
        os.mkdir("work", 0o700, dir_fd=self._fd)
        if self._owner is not None:
            os.chown("work", self._owner, self._owner, dir_fd=self._fd, follow_symlinks=False)
        return os.open("work", _FOLDER, dir_fd=self._fd)

    def clear_work(self) -> None:
        """Remove the work directory after its job has ended. Raises OSError when something would stay."""
        _remove_contents(self._fd)

    def leftovers(self) -> list[str]:
        """Names beside `config`: [] between jobs."""
        return sorted(set(os.listdir(self._fd)) - {"config"})  # noqa: PTH208 (by descriptor, never by path)

    def close(self) -> None:
        """Remove the folder."""
        with contextlib.suppress(OSError):
            self.clear_work()
        os.close(self._fd)
        shutil.rmtree(self.path, ignore_errors=True)


def _default_root() -> Path:
    """TMPDIR where it is set, else memory, else the disk: a job's few files should not wait for a journal."""
    memory = Path("/dev/shm")
    if "TMPDIR" not in os.environ and memory.is_mount() and os.access(memory, os.W_OK | os.X_OK):
        return memory
    return Path(tempfile.gettempdir())


def usage(folder: int, *, stop_bytes: int, stop_inodes: int) -> tuple[int, int]:
    """Bytes and inodes beneath an open directory, counted until one passes its stop. Safe while the job writes.

    A tree deeper than 64 folders counts as past the stop.
    """
    total, inodes = 0, 0

    def count(fd: int, depth: int) -> None:
        nonlocal total, inodes
        try:
            with os.scandir(fd) as entries:
                for entry in entries:
                    inodes += 1
                    try:
                        facts = entry.stat(follow_symlinks=False)
                    except OSError:
                        continue  # gone since
                    total += facts.st_blocks * 512
                    if total > stop_bytes or inodes > stop_inodes:
                        return
                    if stat.S_ISDIR(facts.st_mode):
                        if depth == _MAX_DEPTH:
                            inodes = stop_inodes + 1
                            return
                        _count_folder(fd, entry.name, depth)
        finally:
            os.close(fd)

    def _count_folder(parent: int, name: str, depth: int) -> None:
        with contextlib.suppress(OSError):
            count(_open_folder(parent, name), depth + 1)

    count(os.open(".", _FOLDER, dir_fd=folder), 0)
    return total, inodes


def unlinked_bytes(pid: int) -> int:
    """Disk held by files the process has deleted but keeps open: the count above cannot see them."""
    total = 0
    with contextlib.suppress(OSError), os.scandir(f"/proc/{pid}/fd") as descriptors:
        for descriptor in descriptors:
            with contextlib.suppress(OSError):
                facts = descriptor.stat()
                if stat.S_ISREG(facts.st_mode) and facts.st_nlink == 0:
                    total += facts.st_blocks * 512
    return total


def _remove_contents(folder: int) -> None:
    """Delete every folder in a jail's folder but `config`, however deep, without recursion.

    Inner folders are moved up into the jail's folder, where no job can have made a name, and emptied in turn.
    """
    pending = [name for name in os.listdir(folder) if name != "config"]
    moved = 0
    while pending:
        name = pending.pop()
        fd = _open_folder(folder, name)
        try:
            for inner in _folders_after_unlinking(fd):
                while (new := f"gone-{moved}") in pending:
                    moved += 1
                os.rename(inner, new, src_dir_fd=fd, dst_dir_fd=folder)
                pending.append(new)
                moved += 1
        finally:
            os.close(fd)
        os.rmdir(name, dir_fd=folder)


def _open_folder(parent: int, name: str) -> int:
    try:
        return os.open(name, _FOLDER, dir_fd=parent)
    except PermissionError:  # made without rights; they bind us where the worker is not root
        _grant(parent, name)
        return os.open(name, _FOLDER, dir_fd=parent)


def _grant(parent: int, name: str) -> None:
    """Give the owner every right to a folder, by a handle that cannot turn out to be a link."""
    handle = os.open(name, os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=parent)
    try:
        os.chmod(f"/proc/self/fd/{handle}", 0o700)  # noqa: PTH101 (by descriptor)
    finally:
        os.close(handle)


def _folders_after_unlinking(fd: int) -> list[str]:
    """Unlink every file of a folder; the names of the folders in it, which may then be moved and emptied."""
    folders = []
    with os.scandir(fd) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                if entry.stat(follow_symlinks=False).st_mode & stat.S_IRWXU != stat.S_IRWXU:
                    _grant(fd, entry.name)  # moving a folder writes to it
                folders.append(entry.name)
            else:
                os.unlink(entry.name, dir_fd=fd)
    return folders


def _remove_abandoned(parent: Path) -> None:
    """Folders of jails whose worker was killed: nobody holds their lock."""
    for path in parent.glob(f"{_NAME}*"):
        try:
            fd = os.open(path, _FOLDER)
        except OSError:
            continue  # another user's
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            _remove_contents(fd)
            shutil.rmtree(path, ignore_errors=True)
        except OSError:
            continue  # alive
        finally:
            os.close(fd)
