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


class SsimOptions(Strict):
    """Structural similarity."""

    side: Annotated[int, Field(ge=32, le=1024)] = Field(
        default=256, description="both pictures are resized to a square"
    )


class TextOptions(Strict):
    """Soft and exact text matching."""

    ticks: bool = Field(default=False, description="tick labels count as texts (the `axes` signal reads them anyway)")
    floor: Annotated[float, Field(ge=0, le=1)] = Field(
        default=0.5, description="string similarity below it counts as 0"
    )
    other_role: Annotated[float, Field(ge=0, le=1)] = Field(default=0.5, description="factor for another role")
    place: Annotated[float, Field(ge=0, le=1)] = Field(default=0.3, description="what a wrong place costs at most")
    beta: Annotated[float, Field(gt=0, le=4)] = Field(
        default=1.0, description="F_beta: below 1 a surplus text costs more than a missing one"
    )


class LayoutOptions(Strict):
    """Where the axes are."""

    match: Literal["cells", "boxes", "grid"] = "boxes"
    exact: bool = Field(default=False, description="1 when everything matches, else 0")


class ChartTypeOptions(Strict):
    """Which kinds of marks."""

    exact: bool = Field(default=False, description="1 when the sets of kinds are equal, else 0")


class ColorOptions(Strict):
    """Colours of the marks."""

    scale: Annotated[float, Field(gt=0, le=100)] = Field(
        default=15.0, description="CIEDE2000 difference at which similarity is 1/e"
    )
    other_kind: Annotated[float, Field(ge=0, le=1)] = Field(
        default=0.5, description="factor when the colour is on another kind of mark (bars, lines, ...)"
    )


class DataOptions(Strict):
    """Values of the series."""

    kernel: Literal["range", "cerm", "tolerance"] = "range"
    tolerance: Annotated[float, Field(gt=0, le=1)] = Field(
        default=0.05,
        description="range: fraction of the shown axis at which similarity is 1/e; tolerance: of the value",
    )


class ChartMimicLayoutOptions(Strict):
    """ChartMimic's layout metric."""

    graph: bool = Field(default=False, description="the reference is of ChartMimic's `graph` category")


SIGNAL_OPTIONS: dict[str, type[Strict]] = {
    "attributes": AttributesOptions,
    "visual": VisualOptions,
    "visual.ssim": SsimOptions,
    "text": TextOptions,
    "text.exact": TextOptions,
    "text.title": TextOptions,
    "layout": LayoutOptions,
    "chart_type": ChartTypeOptions,
    "color": ColorOptions,
    "data": DataOptions,
    "chartmimic.layout": ChartMimicLayoutOptions,
}

# What a signal reads beyond the picture and the plain description: each costs the execution an extra pass.
SIGNAL_NEEDS: dict[str, tuple[Literal["calls", "text_lines"], ...]] = {
    "chartmimic.text": ("text_lines",),
    "chartmimic.chart_type": ("calls",),
    "chartmimic.color": ("calls",),
}


def options_of(use: SignalUse) -> Strict:
    """A signal's checked settings. Raises pydantic.ValidationError naming the field."""
    family = "visual" if use.name.startswith("visual.") and use.name != "visual.ssim" else use.name
    return SIGNAL_OPTIONS.get(family, NoOptions).model_validate(use.options)
