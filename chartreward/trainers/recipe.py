"""What all trainers share: settings, clients, and a result as a reward and a fixed set of numbers."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from chartreward.client import AsyncRewardClient, RewardClient
from chartreward.errors import UnavailableError
from chartreward.models import ItemResult, Status
from chartreward.profiles import find_profile

OnFailure = float | Literal["raise"]


@dataclass(frozen=True, slots=True)
class Recipe:
    """One way to score; hashable, so that each has one client a process."""

    url: str | None
    key: str | None
    profile: str
    runtime: str | None
    on_failure: OnFailure

    @staticmethod
    def of(
        url: str | None = None,
        key: str | None = None,
        profile: str | None = None,
        runtime: str | None = None,
        on_failure: OnFailure | str | None = None,
    ) -> Recipe:
        """What was given, else what the environment says (see `chartreward.trainers`)."""
        chosen = on_failure if on_failure is not None else os.environ.get("CHARTREWARD_ON_FAILURE", "raise")
        return Recipe(
            url=url or os.environ.get("CHARTREWARD_URL"),
            key=key or os.environ.get("CHARTREWARD_KEY"),
            profile=profile or os.environ.get("CHARTREWARD_PROFILE") or "chartsimrl",
            runtime=runtime or os.environ.get("CHARTREWARD_RUNTIME") or None,
            on_failure="raise" if chosen == "raise" else float(chosen),
        )

    def client(self) -> RewardClient:
        """The client of this process, shared by all calls."""
        return _client(self)

    def async_client(self) -> AsyncRewardClient:
        """The same for coroutines."""
        return _async_client(self)

    def reward(self, result: ItemResult) -> float:
        """The reward, or what `on_failure` says when there is none (raises `UnavailableError`)."""
        if result.reward is not None:
            return result.reward
        if self.on_failure == "raise":
            why = result.error.message if result.error else "no reason given"
            raise UnavailableError(f"item {result.index} has no reward ({result.status}): {why}")
        return self.on_failure

    def metrics(self, result: ItemResult) -> dict[str, float]:
        """The result as numbers under the same keys for every result of this profile; nothing is None or NaN.

        `normalized` reward, `executed`, `infra_failure`, and each signal of the profile (0 where the code failed).
        """
        numbers = {
            "normalized": result.normalized or 0.0,
            "executed": float(result.status is Status.OK),
            "infra_failure": float(result.reward is None),
        }
        for name in _signals(self.profile):
            numbers[name] = _value(result, name)
        return numbers

    def average(self, results: list[ItemResult]) -> dict[str, float]:
        """The mean of `metrics` over results that have a reward (over all for `infra_failure`)."""
        scored = [self.metrics(result) for result in results if result.reward is not None]
        means = {key: sum(one[key] for one in scored) / len(scored) for key in scored[0]} if scored else {}
        names = ["normalized", "executed", *_signals(self.profile)]
        failed = len(results) - len(scored)
        return {name: means.get(name, 0.0) for name in names} | {"infra_failure": failed / max(1, len(results))}


@lru_cache(maxsize=64)
def _client(recipe: Recipe) -> RewardClient:
    return RewardClient(
        recipe.url, key=recipe.key, profile=recipe.profile, runtime=recipe.runtime, errors="result", progress=False
    )


@lru_cache(maxsize=64)
def _async_client(recipe: Recipe) -> AsyncRewardClient:
    return AsyncRewardClient(
        recipe.url, key=recipe.key, profile=recipe.profile, runtime=recipe.runtime, errors="result", progress=False
    )


@lru_cache
def _signals(profile: str) -> tuple[str, ...]:
    """Names of the profile's signals; empty for a profile that only the service knows."""
    try:
        return tuple(use.name for use in find_profile(profile).signals)
    except KeyError:
        return ()


def _value(result: ItemResult, name: str) -> float:
    """A signal's value; `visual` is reported under the backbone that was used (`visual.resnet18`)."""
    for key, signal in result.signals.items():
        if (key == name or key.startswith(name + ".")) and signal.value is not None:
            return signal.value
    return 0.0
