"""Controlled edits of a chart, by kind and severity 0 (none) to 4: what `benchmarks.degradation` orders."""

from __future__ import annotations

from collections.abc import Callable

CHARTS = {
    "bars": """
import numpy as np
import matplotlib.pyplot as plt
names = {names}
values = np.array([12.0, 30.0, 22.0, 41.0, 35.0]) * np.array({factors})
other = np.array([8.0, 14.0, 27.0, 30.0, 18.0]) * np.array({factors})
fig, ax = plt.subplots(figsize=(7, 4.5))
at = np.arange(5)
ax.{bar}(at - 0.2, values, 0.4, color="{first}", label="Domestic")
ax.{bar}(at + 0.2, other, 0.4, color="{second}", label="Exported")
ax.{set_ticks}(at, names)
""",
    "lines": """
import numpy as np
import matplotlib.pyplot as plt
x = np.arange(8.0)
y = np.array([5.0, 9.0, 14.0, 12.0, 20.0, 26.0, 24.0, 33.0]) * np.resize({factors}, 8)
z = np.array([30.0, 27.0, 22.0, 24.0, 16.0, 13.0, 9.0, 6.0]) * np.resize({factors}, 8)
fig, ax = plt.subplots(figsize=(7, 4.5))
ax.{line}(x, y, color="{first}", label="Domestic")
ax.{line}(x, z, color="{second}", label="Exported")
""",
}
TAIL = """
ax.set_title("{title}")
ax.set_xlabel("{xlabel}")
ax.set_ylabel("{ylabel}")
{limits}
{legend}
{extra}
plt.tight_layout()
plt.show()
"""
PLAIN: dict[str, str] = {
    "names": '["North", "South", "East", "West", "Centre"]',
    "factors": "[1.0, 1.0, 1.0, 1.0, 1.0]",
    "bar": "bar",
    "line": "plot",
    "set_ticks": "set_xticks",
    "first": "#1f77b4",
    "second": "#ff7f0e",
    "title": "Shipments by region and market",
    "xlabel": "Region of origin",
    "ylabel": "Thousand tonnes",
    "limits": "",
    "legend": "ax.legend(loc='upper left')",
    "extra": "",
}


def colors(severity: int) -> dict[str, str]:
    """Both colours pulled towards green and magenta, a quarter of the way a step."""
    ends = (((31, 119, 180), (44, 160, 44)), ((255, 127, 14), (214, 39, 140)))
    mixed = [[round(a + (b - a) * severity / 4) for a, b in zip(*pair, strict=True)] for pair in ends]
    return {name: "#{:02x}{:02x}{:02x}".format(*rgb) for name, rgb in zip(("first", "second"), mixed, strict=True)}


def data(severity: int) -> dict[str, str]:
    """Values off by 0, 5, 15, 30 and 60 %, up and down in turn."""
    off = (0.0, 0.05, 0.15, 0.3, 0.6)[severity]
    return {"factors": str([round(1 + off * sign, 3) for sign in (1, -1, 1, -1, 1)])}


def title(severity: int) -> dict[str, str]:
    """More and more of it in other words."""
    words = (
        "Shipments by region and market",
        "Shipments by region and markets",
        "Shipments by area and market",
        "Exports by harbour and market",
        "Temperature of the sea in May",
    )
    return {"title": words[severity]}


def texts(severity: int) -> dict[str, str]:
    """More and more of title and labels missing."""
    order = ("xlabel", "ylabel", "title")
    return dict.fromkeys(order[:severity], "") | ({"names": '["A", "B", "C", "D", "E"]'} if severity == 4 else {})


def limits(severity: int) -> dict[str, str]:
    """The y axis stretched."""
    top = (None, 50, 70, 110, 250)[severity]
    return {"limits": "" if top is None else f"ax.set_ylim(0, {top})"}


def legend(severity: int) -> dict[str, str]:
    """One entry misspelt, one renamed, both renamed, both renamed and moved."""
    steps = (
        PLAIN["legend"],
        "ax.legend(['Domestic', 'Export'], loc='upper left')",
        "ax.legend(['Domestic', 'Foreign'], loc='upper left')",
        "ax.legend(['Monday', 'Foreign'], loc='upper left')",
        "ax.legend(['Monday', 'Tuesday'], loc='lower right')",
    )
    return {"legend": steps[severity]}


def layout(severity: int) -> dict[str, str]:
    """The axes pushed into an ever smaller part of the figure."""
    share = (1.0, 0.9, 0.75, 0.55, 0.35)[severity]
    place = f"fig.subplots_adjust(right={0.12 + 0.85 * share}, top={0.1 + 0.82 * share})"
    return {"extra": "" if severity == 0 else f"{place}\nplt.tight_layout = lambda: None"}


def clutter(severity: int) -> dict[str, str]:
    """Words nobody asked for."""
    return {"extra": "\n".join(f"ax.text({i % 4}, {4 + 3 * i}, 'remark number {i}')" for i in range(3 * severity))}


def series(severity: int) -> dict[str, str]:
    """Series that nobody asked for."""
    return {
        "extra": "\n".join(
            f"ax.plot([0, 2, 4], [{5 + 4 * i}, {12 + 3 * i}, {9 + 2 * i}], color='#8c564b')"
            for i in range(2 * severity)
        )
    }


EDITS: dict[str, Callable[[int], dict[str, str]]] = {
    "colours": colors,
    "data": data,
    "title": title,
    "texts": texts,
    "limits": limits,
    "legend": legend,
    "layout": layout,
    "clutter": clutter,
    "extra series": series,
}
SEVERITIES = range(5)


def script(chart: str, edit: str, severity: int) -> str:
    """The chart's code with one edit at one severity."""
    return (CHARTS[chart] + TAIL).format(**(PLAIN | EDITS[edit](severity)))
