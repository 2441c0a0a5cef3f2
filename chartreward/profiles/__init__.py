"""The named reward recipes (a JSON file each, in the form that requests carry inline) and the check of inline ones."""

from __future__ import annotations

from collections.abc import Collection
from functools import cache
from importlib import resources
from typing import Any

from pydantic import ValidationError

from chartreward.messages import Needs
from chartreward.models import Profile
from chartreward.profiles.options import SIGNAL_NEEDS, options_of

DEFAULT_PROFILE = "chartsimrl"

__all__ = ["DEFAULT_PROFILE", "find_profile", "load_profiles", "needs_of", "profile_problems"]


@cache
def _shipped() -> dict[str, Profile]:
    profiles = {}
    for file in sorted(resources.files(__name__).iterdir(), key=lambda entry: entry.name):
        if file.name.endswith(".json"):
            profile = Profile.model_validate_json(file.read_bytes())
            profiles[profile.name] = profile
    return profiles


def load_profiles() -> dict[str, Profile]:
    """The shipped profiles by name."""
    return dict(_shipped())


def find_profile(name: str) -> Profile:
    """The shipped profile called `name` or `name@version`. Raises KeyError with a message for the user."""
    bare, _, version = name.partition("@")
    profile = _shipped().get(bare)
    if profile is None:
        raise KeyError(f"unknown profile {bare!r}; known: {', '.join(_shipped())}")
    if version and version != str(profile.version):
        raise KeyError(f"profile {bare!r} has version {profile.version} here, not {version}")
    return profile


def needs_of(profile: Profile) -> Needs:
    """What an execution must collect for this profile."""
    wanted = {need for use in profile.signals for need in SIGNAL_NEEDS.get(use.name, ())}
    return Needs(calls="calls" in wanted, text_lines="text_lines" in wanted, partial=profile.partial_figures)


def profile_problems(profile: Profile, signals: Collection[str]) -> list[dict[str, Any]]:
    """What is wrong with a recipe, given the signals that some worker offers: entries {loc, msg}, empty when fine.

    `loc` is the path inside the profile, e.g. ["signals", 2, "options", "tolerance"].
    """
    problems: list[dict[str, Any]] = []
    low, high = profile.range
    if not low < high:
        problems.append({"loc": ["range"], "msg": "the lowest reward must be below the highest"})
    names = [use.name for use in profile.signals]
    for index, use in enumerate(profile.signals):
        here = ["signals", index]
        if names.index(use.name) != index:
            problems.append({"loc": [*here, "name"], "msg": f"{use.name!r} is listed twice"})
        if use.name not in signals:
            problems.append({"loc": [*here, "name"], "msg": _unknown(use.name, signals)})
            continue
        try:
            options_of(use)
        except ValidationError as error:
            problems += [
                {"loc": [*here, "options", *item["loc"]], "msg": item["msg"]}
                for item in error.errors(include_url=False, include_context=False, include_input=False)
            ]
    if sum(abs(use.weight) for use in profile.signals) == 0:
        problems.append({"loc": ["signals"], "msg": "every weight is 0"})
    for index, gate in enumerate(profile.gates):
        if gate.signal not in names:
            message = f"{gate.signal!r} is not among the profile's signals; list it there, with weight 0 if need be"
            problems.append({"loc": ["gates", index, "signal"], "msg": message})
    return problems


def _unknown(name: str, signals: Collection[str]) -> str:
    if name.startswith("visual."):
        return f"no worker has the backbone of {name!r} (configure its weights file); available: {_listed(signals)}"
    if name == "judge":
        return "no worker has a judge configured (CHARTREWARD_JUDGE)"
    return f"unknown signal {name!r}; available: {_listed(signals)}"


def _listed(signals: Collection[str]) -> str:
    return ", ".join(sorted(signals))
