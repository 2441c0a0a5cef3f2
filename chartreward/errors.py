"""What the client raises. Catch `ChartRewardError` for all of it."""

from __future__ import annotations

from chartreward.models import Problem


class ChartRewardError(Exception):
    """Base of everything this package raises on purpose."""


class LabelError(ChartRewardError, ValueError):
    """A value that names no reference. The message says why."""


class ItemInputError(ChartRewardError, ValueError):
    """An item that cannot be sent. The message says which one, and why."""


class RejectedError(ChartRewardError):
    """The service refused the request (a 4xx that no retry cures); `problem` is its answer."""

    def __init__(self, problem: Problem) -> None:
        fields = "".join(f"; {'.'.join(map(str, e.get('loc', ())))}: {e.get('msg', '')}" for e in problem.errors or ())
        super().__init__(f"{problem.status} {problem.code}: {problem.detail}{fields}")
        self.problem = problem


class UnauthorizedError(RejectedError):
    """401 or 403: no key, a wrong one, or one without this right."""


class UnavailableError(ChartRewardError):
    """No usable answer in the time allowed, however often the service was asked; `__cause__` is the last reason."""


class NotReadyError(UnavailableError):
    """`wait_for_ready` ran out of time."""


class ProtocolError(ChartRewardError):
    """Whatever answered does not speak the contract (wrong URL, a proxy's page, another version)."""
