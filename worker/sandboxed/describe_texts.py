"""Every piece of text of a drawn figure, with its role."""

from __future__ import annotations

from typing import Any

from describe_values import MAX_TEXTS, Box, Picture, number, one_hex
from matplotlib.colors import to_rgba
from matplotlib.legend import Legend
from matplotlib.table import Table
from matplotlib.text import Annotation, Text

MAX_TICKS = 500  # an axis
MIN_ALPHA = 0.02


def axis_shown(axes: Any) -> bool:
    """Whether the axes draws its axis lines, ticks and labels; three-dimensional axes have a flag of their own."""
    return bool(getattr(axes, "_axis3don", getattr(axes, "axison", True)))


class TextReader(Picture):
    """Reads texts."""

    def texts(self) -> list[dict[str, Any]]:
        """Every piece of text with its role."""
        found: list[dict[str, Any]] = []
        figure = self.figure
        for role, name in (("suptitle", "_suptitle"), ("supxlabel", "_supxlabel"), ("supylabel", "_supylabel")):
            self.text(found, getattr(figure, name, None), role, None)
        named = {id(getattr(figure, name, None)) for name in ("_suptitle", "_supxlabel", "_supylabel")}
        for text in figure.texts:
            if id(text) not in named:
                self.text(found, text, "text", None)
        for legend in figure.legends:
            self.legend_texts(found, legend, None)
        for place, axes in enumerate(self.axes):
            if axes.get_visible():
                self.axes_texts(found, axes, place)
        return found

    def axes_texts(self, found: list[dict[str, Any]], axes: Any, place: int) -> None:
        """Titles, axis texts, legends, tables and free texts of one axes."""
        for title in (axes.title, axes._left_title, axes._right_title):
            self.text(found, title, "title", place)
        if axis_shown(axes):
            for letter in "xyz":
                self.axis_texts(found, getattr(axes, f"{letter}axis", None), letter, place)
        legend = axes.get_legend()
        for one in [legend, *(a for a in axes.artists if isinstance(a, Legend))]:
            self.legend_texts(found, one, place)
        for child in axes.get_children():
            if isinstance(child, Table):
                for cell in child.get_celld().values():
                    self.text(found, cell.get_text(), "table", place)
        for text in axes.texts:
            self.text(found, text, "annotation" if isinstance(text, Annotation) else "text", place)

    def axis_texts(self, found: list[dict[str, Any]], axis: Any, letter: str, place: int) -> None:
        """Label, tick labels as drawn, and offset text of one axis."""
        if axis is None or not axis.get_visible():
            return
        self.text(found, axis.label, f"{letter}label", place)
        self.text(found, axis.offsetText, "offset", place)
        try:
            ticks = self.drawn_ticks(axis)
        except Exception:
            return
        for tick in ticks[:MAX_TICKS]:
            for label in (tick.label1, tick.label2):
                self.text(found, label, f"{letter}tick", place)

    def legend_texts(self, found: list[dict[str, Any]], legend: Any, place: int | None) -> None:
        """Entries and title of one legend."""
        if legend is None or not legend.get_visible():
            return
        for text in legend.get_texts():
            self.text(found, text, "legend", place)
        self.text(found, legend.get_title(), "legend_title", place)

    def text(self, found: list[dict[str, Any]], text: Any, role: str, place: int | None) -> None:
        """Add one text when it is drawn at all."""
        if not isinstance(text, Text) or not text.get_visible():
            return
        string = text.get_text()
        if not string or not string.strip():
            return
        self.characters -= min(len(string), 4000)
        if len(found) >= MAX_TEXTS or self.characters < 0:
            self.truncated = True
            return
        box = self.extent(text) if not isinstance(text, Annotation) else self.annotation_extent(text)
        if box is None:
            return
        alpha = text.get_alpha()
        try:
            rgba = to_rgba(text.get_color())
        except (TypeError, ValueError):
            rgba = (0.0, 0.0, 0.0, 1.0)
        alpha = rgba[3] if alpha is None else number(alpha)
        size = number(text.get_fontsize())
        found.append(
            {
                "string": string[:4000],
                "role": role,
                "axes": place,
                "box": box,
                "size": size,
                "color": one_hex(rgba),
                "alpha": min(max(alpha, 0.0), 1.0),
                "rotation": number(text.get_rotation()),
                "weight": str(text.get_fontweight())[:40],
                "style": str(text.get_fontstyle())[:40],
                "family": str((text.get_fontfamily() or [""])[0])[:80],
                "visible": self.inside(box)
                and alpha > MIN_ALPHA
                and size > 1
                and box[2] - box[0] > 1
                and box[3] - box[1] > 1,
            }
        )

    def annotation_extent(self, text: Any) -> Box | None:
        """Box of an annotation's words, its arrow left out."""
        try:
            return self.box(Text.get_window_extent(text, self.renderer))
        except Exception:
            return None
