"""Profiles applied to signals: weights, gates, shaping, failures, by hand-computed values."""

from __future__ import annotations

from typing import Any

import pytest

from chartreward.models import Profile, SignalResult, Status
from chartreward.profiles import find_profile, load_profiles, needs_of, profile_problems
from worker.reward import SignalMissingError, blank, combine, failure
from worker.similarity import available_signals

ALL = ["visual", "judge", "visual.dinov2_vits14", "visual.dinov2_vitl14", *available_signals(["efficientnet_lite0"])]


def profile(*signals: tuple[str, float], **more: Any) -> Profile:
    uses = [{"name": name, "weight": weight} for name, weight in signals]
    return Profile.model_validate({"signals": uses, "range": (0, 1)} | more)


def values(**signals: float | None) -> dict[str, SignalResult]:
    return {
        name: SignalResult(value=value, unavailable=None if value is not None else "a picture")
        for name, value in signals.items()
    }


def test_sum_and_mean() -> None:
    weights = (("text", 1.0), ("color", 3.0))
    signals = values(text=0.5, color=1.0)
    assert combine(profile(*weights, range=(0, 4)), signals, 0).value == pytest.approx(3.5)
    mean = combine(profile(*weights, combine="mean"), signals, 0)
    assert mean.value == pytest.approx(3.5 / 4) and mean.weights == {"text": 0.25, "color": 0.75}


def test_chartsimrl_is_the_sum_and_its_half() -> None:
    reward = combine(find_profile("chartsimrl"), values(attributes=0.4, visual=0.9), 0)
    assert reward.value == pytest.approx(1.3) and reward.normalized == pytest.approx(0.65)


def test_a_missing_signal_gives_its_weight_to_the_rest() -> None:
    reward = combine(find_profile("chartsimrl"), values(attributes=None, visual=0.9), 0)
    assert reward.value == pytest.approx(1.8) and reward.weights == {"attributes": 0.0, "visual": 2.0}
    with pytest.raises(SignalMissingError, match="attributes: a picture"):
        combine(find_profile("chartsimrl"), values(attributes=None, visual=None), 0)


def test_a_signal_that_must_be_there() -> None:
    strict = Profile.model_validate(
        {"signals": [{"name": "text", "when_unavailable": "fail"}, {"name": "color"}], "range": (0, 2)}
    )
    with pytest.raises(SignalMissingError, match="needs text"):
        combine(strict, values(text=None, color=1.0), 0)


@pytest.mark.parametrize(
    ("chart_type", "layout", "expected"),
    [(0.0, 1.0, 0.5), (1.0, 0.0, 1.5), (1.0, 1.0, 0.5 + 1 + 1 + 0.5 + 0.25 + 6 * 0.1)],
)
def test_chart_spec_gates(chart_type: float, layout: float, expected: float) -> None:
    signals = values(chart_type=chart_type, layout=layout, text=0.5, color=0.25, data=0.1)
    reward = combine(find_profile("chart-spec"), signals, 0)
    assert reward.value == pytest.approx(expected)
    assert reward.normalized == pytest.approx((expected + 2) / 12.5)


def test_chart_spec_failures() -> None:
    spec = find_profile("chart-spec")
    assert failure(spec, Status.NO_CODE).value == -2 and failure(spec, Status.TIMEOUT).value == -1
    treated = blank(spec)
    assert treated is not None and treated.value == -1
    assert blank(find_profile("chartmimic")) is None


def test_shaping_in_order() -> None:
    steps = [{"kind": "clip", "low": 0.2, "high": 0.6}, {"kind": "sigmoid", "center": 0.6, "slope": 4.0}]
    assert combine(profile(("text", 1.0), shaping=steps), values(text=0.9), 0).value == pytest.approx(0.5)
    long = profile(("text", 1.0), shaping=[{"kind": "length_penalty", "allowed": 100, "weight": 0.4}])
    assert combine(long, values(text=1.0), 100).value == 1.0
    assert combine(long, values(text=1.0), 400).value == pytest.approx(1 - 0.4 * 0.75)
    assert combine(long, values(text=0.0), 400).value == 0.0  # never below the range


def test_extreme_shaping_stays_finite() -> None:
    steep = profile(("text", 1.0), shaping=[{"kind": "sigmoid", "center": 1.0, "slope": 1e9}])
    assert 0 <= combine(steep, values(text=0.0), 0).value < 1e-12


@pytest.mark.parametrize("name", sorted(load_profiles()))
def test_shipped_profiles_are_sound(name: str) -> None:
    shipped = find_profile(name)
    assert profile_problems(shipped, ALL) == []
    assert shipped.formula and shipped.citation and shipped.title
    perfect = {use.name: SignalResult(value=1.0) for use in shipped.signals}
    assert combine(shipped, perfect, 100).normalized == pytest.approx(1.0)
    assert find_profile(shipped.ref) is shipped


def test_only_chartmimic_pays_for_extra_passes() -> None:
    paying = {
        name for name, shipped in load_profiles().items() if needs_of(shipped).calls or needs_of(shipped).text_lines
    }
    assert paying == {"chartmimic", "chartmimic-strict"}
    assert needs_of(find_profile("chartmimic")).partial and not needs_of(find_profile("chartmimic-strict")).partial


def test_bad_recipes_name_the_field() -> None:
    bad = Profile.model_validate(
        {
            "signals": [
                {"name": "text", "options": {"flor": 0.5}},
                {"name": "colour"},
                {"name": "text"},
                {"name": "visual.resnet18"},
                {"name": "data", "options": {"tolerance": 2}},
            ],
            "gates": [{"signal": "layout", "at_least": 0.5, "otherwise": 0}],
            "range": (1, 0),
        }
    )
    locations = [tuple(problem["loc"]) for problem in profile_problems(bad, ALL)]
    assert locations == [
        ("range",),
        ("signals", 0, "options", "flor"),
        ("signals", 1, "name"),
        ("signals", 2, "name"),
        ("signals", 3, "name"),
        ("signals", 4, "options", "tolerance"),
        ("gates", 0, "signal"),
    ]


def test_unknown_profiles_and_versions() -> None:
    with pytest.raises(KeyError, match=r"known: .*chartsimrl"):
        find_profile("best")
    with pytest.raises(KeyError, match="version 1"):
        find_profile("chartsimrl@2")
