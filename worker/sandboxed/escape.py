"""What one attempt of the self-test is, and the table that collects them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

Facts = dict[str, Any]
Attempt = Callable[[Facts], bool]


@dataclass(frozen=True)
class Escape:
    """One attempt: True when it worked.

    `layers` stop it, each of them alone ("landlock" from ABI `landlock_since` on). With `machine`, a machine may refuse
    it to everybody (kernel settings, an outer filter, a user that is not root).
    """

    attempt: Attempt
    layers: frozenset[str]
    landlock_since: int = 1
    machine: bool = False


ALL: dict[str, Escape] = {}


def stopped_by(name: str, *layers: str, landlock_since: int = 1, machine: bool = False) -> Callable[[Attempt], Attempt]:
    """Register an attempt under the name that a log line gives it."""

    def register(attempt: Attempt) -> Attempt:
        ALL[name] = Escape(attempt, frozenset(layers), landlock_since, machine)
        return attempt

    return register
