"""The settings that each signal understands, shared so that the service can refuse a bad recipe by field."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from chartreward.models import SignalUse, Strict


class NoOptions(Strict):
    """A signal without settings."""


class AttributesOptions(Strict):
    """ChartSimRL's attribute Jaccard. Every field is a choice that the paper leaves open."""

    multiset: bool = Field(default=False, description="count repeated attributes instead of distinct ones")
    per_category: bool = Field(
        default=False, description="mean of the categories' Jaccards instead of one over the union"
    )
    tolerance: Annotated[float, Field(ge=0, le=1)] = Field(
        default=1e-3, description="numbers equal within this relative"
    )
    digits: Annotated[int, Field(ge=1, le=15)] = Field(
        default=6, description="significant digits kept before comparing"
    )
    tick_labels: bool = Field(default=True, description="tick labels count as text")


class VisualOptions(Strict):
    """Cosines of backbone features. Defaults are ChartSimRL's, where its paper says nothing."""

    fit: Literal["squash", "letterbox"] = "squash"
    pool: Literal["average", "flatten"] = "average"
    stages: Literal["all", "last"] = Field(default="all", description="mean over four stages, or the last one alone")
    tile: Annotated[int, Field(ge=64, le=2048)] | None = Field(
        default=None,
        description="also compare tiles of this many pixels, the generated picture resized to the reference",
    )
    scale: Literal["cosine", "unit"] = Field(default="cosine", description="cosine, or (cosine + 1) / 2")
    floor: Annotated[float, Field(ge=0, lt=1)] = Field(
        default=0.0, description="similarity of unrelated charts: mapped to 0, and 1 to 1"
    )


SIGNAL_OPTIONS: dict[str, type[Strict]] = {
    "attributes": AttributesOptions,
    "visual": VisualOptions,
}

# What a signal reads beyond the picture and the plain description: each costs the execution an extra pass.
SIGNAL_NEEDS: dict[str, tuple[Literal["calls", "text_lines"], ...]] = {}


def options_of(use: SignalUse) -> Strict:
    """A signal's checked settings. Raises pydantic.ValidationError naming the field."""
    family = "visual" if use.name.startswith("visual.") and use.name != "visual.ssim" else use.name
    return SIGNAL_OPTIONS.get(family, NoOptions).model_validate(use.options)
