"""What a job last tried that the jail may refuse, so that a `forbidden` result can name the operation."""

from __future__ import annotations

import errno
import sys
from collections import deque
from collections.abc import Callable
from typing import Any

# Audit events (docs.python.org: "Audit events table") of operations a jail denies, or denies outside its folders.
_PREFIXES = ("socket.", "os.", "subprocess.", "shutil.", "fcntl.", "resource.", "signal.", "mmap.", "ctypes.", "pty.")
_NAMES = frozenset({"open", "glob.glob", "tempfile.mkstemp", "urllib.Request", "webbrowser.open"})
_IGNORED = frozenset({"os.listdir", "os.scandir", "os.walk", "os.fwalk", "ctypes.dlsym", "ctypes.dlopen"})
_KEPT = 32
# Events of operations that the system call filter always refuses, so that the last of them is what EPERM was about.
_FILTERED = (
    "socket.",
    "subprocess.",
    "resource.",
    "fcntl.",
    "pty.",
    "os.fork",
    "os.exec",
    "os.posix_spawn",
    "os.system",
    "os.kill",
    "os.link",
    "os.symlink",
    "signal.pthread_kill",
)
# Libraries wrap the refusal of a socket in these, without its errno.
_NETWORK_ERRORS = frozenset({"gaierror", "herror", "URLError", "ConnectionError", "NewConnectionError", "SSLError"})
_DETAIL = 200


def watch() -> Callable[[dict[str, Any] | None], str | None]:
    """Start listening; the answer tells what was denied, given the error that ended the code (None: nothing was)."""
    # Reporting a traceback opens files too, so the event that counts need not be the last one.
    seen: deque[tuple[str, tuple[Any, ...]]] = deque(maxlen=_KEPT)

    def listen(event: str, arguments: tuple[Any, ...]) -> None:
        if event not in _IGNORED and (event in _NAMES or event.startswith(_PREFIXES)):
            seen.append((event, arguments))

    def denied(error: dict[str, Any] | None) -> str | None:
        if not error:
            return None
        events = list(reversed(seen))
        if error.get("errno") == errno.EACCES:  # Landlock: the error names the path that the event was about
            message = str(error.get("message"))
            return next((_name(*one) for one in events if _is_about(one[1], message)), "open a file")
        if error.get("errno") == errno.EPERM:  # the system call filter
            return next((_name(*one) for one in events if one[0].startswith(_FILTERED)), "make a system call")
        if str(error.get("type")).rsplit(".", 1)[-1] in _NETWORK_ERRORS:
            return next((_name(*one) for one in events if one[0].startswith("socket.")), None)
        return None

    sys.addaudithook(listen)
    return denied


def _is_about(arguments: tuple[Any, ...], message: str) -> bool:
    return any(isinstance(one, (str, bytes)) and len(one) > 1 and _text(one) in message for one in arguments)


def _name(event: str, arguments: tuple[Any, ...]) -> str:
    """The event, with the path or command it was about where there is one."""
    first = next((one for one in arguments if isinstance(one, (str, bytes))), None)
    return f"{event} {_text(first)[:_DETAIL]}" if first else event


def _text(value: str | bytes) -> str:
    return value if isinstance(value, str) else value.decode("utf-8", "replace")
