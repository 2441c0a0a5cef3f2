"""What a chart shows, as read from its figure inside the jail.

Boxes are (left, top, right, bottom) in pixels of the drawn picture, origin at its top left. Colours are lower-case
`#rrggbb`; alpha is separate. A description that comes out of the jail is a claim: the worker checks it against the
pixels before any signal sees it.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

DESCRIPTION_VERSION = 1

# What one figure may claim. The harness in the jail keeps below all of these and then says `truncated`; a description
# that exceeds one is no result. They bound what a hostile description can cost whoever reads it.
MAX_MAGNITUDE = 1e150  # so that products of two numbers stay finite
MAX_POINTS = 2000  # values in one column of a mark
MAX_COLUMNS = 8
MAX_AXES = 2000
MAX_MARKS = 6000
MAX_TEXTS = 6000
MAX_LEGENDS = 2000
MAX_CALLS = 30_000
MAX_CALL_COLORS = 5000
MAX_LINES = 20_000
LARGEST = 2**53

Number = Annotated[float, Field(allow_inf_nan=False, ge=-MAX_MAGNITUDE, le=MAX_MAGNITUDE)]
Count = Annotated[int, Field(ge=0, le=LARGEST)]
Place = Annotated[int, Field(ge=0, lt=MAX_AXES)]
Box = tuple[Number, Number, Number, Number]
Color = Annotated[str, Field(pattern=r"^#[0-9a-f]{6}$")]
Short = Annotated[str, Field(max_length=4000)]
# `#RRGGBB`, or the name of a colour map, which never begins with a hash.
CallColor = Annotated[str, Field(pattern=r"^(#[0-9A-Fa-f]{6}|[^#].*)$", max_length=80)]
ColumnName = Annotated[str, Field(max_length=40)]

TextRole = Literal[
    "suptitle",
    "supxlabel",
    "supylabel",
    "title",
    "xlabel",
    "ylabel",
    "zlabel",
    "xtick",
    "ytick",
    "ztick",
    "offset",
    "legend",
    "legend_title",
    "annotation",
    "table",
    "text",
]

MarkKind = Literal[
    "line",  # Line2D with a line
    "points",  # scatter, or Line2D with markers only
    "bar",  # a BarContainer: data x, y (heights), base, width; orientation; in three dimensions x, y, z of each end
    "wedge",  # pie: data theta1, theta2, r
    "area",  # fill_between, stackplot, fill, violin bodies: data x, y of the outline
    "image",  # imshow: data value (flattened, capped), shape
    "mesh",  # pcolor, pcolormesh
    "contour",
    "segments",  # LineCollection: hlines, vlines, error bars, stems
    "quiver",
    "surface",  # 3-D polygons
    "box",  # boxplot's boxes when drawn as patches or lines
    "patch",  # any other patch
    "other",
]


class Claim(BaseModel):
    """Base of what the jail says: unknown fields are refused."""

    model_config = ConfigDict(extra="forbid")


class GridCell(Claim):
    """The subplot's place in its grid spec; 0-based, ends inclusive."""

    nrows: int = Field(ge=1, le=10_000)
    ncols: int = Field(ge=1, le=10_000)
    row_start: int = Field(ge=0, le=10_000)
    row_end: int = Field(ge=0, le=10_000)
    col_start: int = Field(ge=0, le=10_000)
    col_end: int = Field(ge=0, le=10_000)


class Text(Claim):
    """One piece of text on the canvas."""

    string: Short
    role: TextRole
    axes: Place | None = Field(default=None, description="index into `axes`; null: the figure's own")
    box: Box
    size: Number = Field(ge=0, description="points")
    color: Color
    alpha: Number = Field(default=1.0, ge=0, le=1)
    rotation: Number = 0.0
    weight: Short = "normal"
    style: Short = "normal"
    family: Short = ""
    visible: bool = Field(default=True, description="on the canvas, opaque enough, and not of zero size")


class Mark(Claim):
    """One series: what a plotting call left on the axes.

    `data` holds equally long lists in data coordinates, at most `MAX_POINTS` values each; `count` is how many there
    were before the cap.
    """

    kind: MarkKind
    axes: Place
    box: Box
    label: Short = ""
    colors: list[Color] = Field(default_factory=list, max_length=256, description="face colours, drawn order, distinct")
    edgecolors: list[Color] = Field(default_factory=list, max_length=256)
    alpha: Number = Field(default=1.0, ge=0, le=1)
    colormap: Short | None = None
    count: Count = 0
    data: dict[ColumnName, Annotated[list[Number | None], Field(max_length=MAX_POINTS)]] = Field(
        default_factory=dict, max_length=MAX_COLUMNS
    )
    shape: list[Count] | None = Field(default=None, max_length=3, description="rows, columns of an image or mesh")
    orientation: Literal["vertical", "horizontal"] | None = None
    linestyle: Short | None = None
    linewidth: Number | None = None
    marker: Short | None = None
    markersize: Number | None = None
    hatch: Short | None = None
    zorder: Number = 0.0
    visible: bool = True


class Axis(Claim):
    """One axis: its limits as shown, scale, tick places and label."""

    label: Short = ""
    limits: tuple[Number, Number]
    scale: Short = "linear"
    ticks: list[Number] = Field(default_factory=list, max_length=1000)
    ticklabels: list[Short] = Field(default_factory=list, max_length=1000)
    grid: bool = False
    visible: bool = True


class Axes(Claim):
    """One pair (or triple) of axes."""

    box: Box
    cell: GridCell | None = None
    projection: Short = "rectilinear"
    title: Short = ""
    x: Axis
    y: Axis
    z: Axis | None = None
    facecolor: Color = "#ffffff"
    frame: bool = True
    colorbar: bool = Field(default=False, description="the axes of a colour bar")
    twin: Place | None = Field(default=None, description="index of the axes it lies on (twinx, twiny, secondary_xaxis)")
    visible: bool = True


class LegendEntry(Claim):
    """One row of a legend."""

    label: Short
    color: Color | None = None


class Legend(Claim):
    """One legend; `axes` is null for a figure legend."""

    axes: Place | None = None
    box: Box
    title: Short = ""
    entries: list[LegendEntry] = Field(default_factory=list, max_length=1000)
    columns: int = Field(default=1, ge=-LARGEST, le=LARGEST)
    frame: bool = True
    visible: bool = True


class Call(Claim):
    """One outermost plotting call as ChartMimic's evaluators count it."""

    name: Short = Field(description="defining file and function, e.g. `_axes.py bar` or `PolarAxes.plot`")
    colors: list[CallColor] = Field(
        default_factory=list,
        max_length=MAX_CALL_COLORS,
        description="final colours of what it drew: #RRGGBB or colormap",
    )
    counted: bool = Field(
        default=True,
        description="false: a function that ChartMimic watches for colours alone, all its calls",
    )


class ChartDescription(Claim):
    """Everything read from one drawn figure."""

    version: Literal[1] = 1
    width: int = Field(ge=1, le=LARGEST)
    height: int = Field(ge=1, le=LARGEST)
    dpi: Number = 100.0
    figsize: tuple[Number, Number] = Field(description="inches")
    facecolor: Color = "#ffffff"
    tight: bool = Field(default=False, description="drawn with the tight bounding box the code asked for")
    axes: list[Axes] = Field(default_factory=list, max_length=MAX_AXES)
    texts: list[Text] = Field(default_factory=list, max_length=MAX_TEXTS)
    marks: list[Mark] = Field(default_factory=list, max_length=MAX_MARKS)
    legends: list[Legend] = Field(default_factory=list, max_length=MAX_LEGENDS)
    figures: int = Field(default=1, ge=0, le=LARGEST, description="how many figures the code made")
    truncated: bool = Field(default=False, description="some lists were cut at their caps")
    calls: list[Call] | None = Field(default=None, max_length=MAX_CALLS, description="only when the profile needs them")
    text_lines: list[Short] | None = Field(
        default=None,
        max_length=MAX_LINES,
        description="drawn lines of text after tick removal; only when the profile needs them",
    )
