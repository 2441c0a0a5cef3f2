"""A profile applied to the values of its signals."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from chartreward.models import Profile, Shaping, SignalResult, Status


class SignalMissingError(Exception):
    """A profile cannot be applied to this reference: a signal that it must have is unavailable."""


@dataclass(frozen=True, slots=True)
class Reward:
    """A reward, the same on [0, 1], and the weight every signal had in it."""

    value: float
    normalized: float
    weights: dict[str, float] = field(default_factory=dict)


def failure(profile: Profile, status: Status) -> Reward:
    """What a failure of the policy's own making earns."""
    value = profile.failure(status)
    return Reward(value, profile.normalize(value))


def blank(profile: Profile) -> Reward | None:
    """What a blank figure earns; None when the profile scores it like any other."""
    if profile.blank_reward is None:
        return None
    return Reward(profile.blank_reward, profile.normalize(profile.blank_reward))


def weights_of(profile: Profile, signals: Mapping[str, SignalResult]) -> dict[str, float]:
    """Every signal's weight after spreading those of unavailable signals over the rest, in proportion.

    Raises SignalMissingError when nothing is left, or a signal is missing that the profile says must be there.
    """
    missing = [use for use in profile.signals if signals[use.name].value is None]
    for use in missing:
        if use.when_unavailable == "fail":
            raise SignalMissingError(f"{profile.ref} needs {use.name}: {signals[use.name].unavailable}")
    total = sum(abs(use.weight) for use in profile.signals)
    left = total - sum(abs(use.weight) for use in missing)
    if left <= 0:
        reasons = "; ".join(f"{use.name}: {signals[use.name].unavailable}" for use in missing)
        raise SignalMissingError(f"none of the signals of {profile.ref} is available ({reasons})")
    scale = total / left / (total if profile.combine == "mean" else 1.0)
    return {use.name: 0.0 if signals[use.name].value is None else use.weight * scale for use in profile.signals}


def shape(value: float, step: Shaping, characters: int) -> float:
    """One shaping step (see chartreward.models.Shaping); `characters` is the length of the generated code."""
    if step.kind == "clip":
        return min(max(value, step.low), step.high)
    if step.kind == "sigmoid":
        return 1.0 / (1.0 + math.exp(min(700.0, -step.slope * (value - step.center))))
    return value - step.weight * max(0.0, 1.0 - step.allowed / max(characters, 1))


def combine(profile: Profile, signals: Mapping[str, SignalResult], characters: int) -> Reward:
    """reward = clip(shaping(offset + bonuses of the gates + sum(weight * signal)), range).

    Gates are tried in order; one that stays closed ends with its `otherwise` (clipped to the range, not shaped). A gate
    on an unavailable signal counts as open: the reference, not the policy, is the cause. `signals` is keyed by the
    names that the profile uses. Raises SignalMissingError.
    """
    low, high = profile.range
    weights = weights_of(profile, signals)
    bonus = 0.0
    for gate in profile.gates:
        value = signals[gate.signal].value
        if value is not None and value < gate.at_least:
            stopped = min(max(gate.otherwise, low), high)
            return Reward(stopped, profile.normalize(stopped), dict.fromkeys(weights, 0.0))
        bonus += gate.bonus
    reward = profile.offset + bonus + sum(weight * (signals[name].value or 0.0) for name, weight in weights.items())
    for step in profile.shaping:
        reward = shape(reward, step, characters)
    reward = min(max(reward, low), high)
    return Reward(reward, profile.normalize(reward), weights)
