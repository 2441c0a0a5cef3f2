"""Every series of a drawn figure: what plotting calls left on its axes, with data in data coordinates."""

from __future__ import annotations

from typing import Any

import numpy as np
from describe_values import MAX_MARKS, MAX_POINTS, Box, Picture, hexes, number, numbers, one_hex
from matplotlib.collections import Collection, LineCollection, PathCollection, PolyCollection, QuadMesh
from matplotlib.container import BarContainer
from matplotlib.contour import ContourSet
from matplotlib.image import AxesImage
from matplotlib.lines import Line2D
from matplotlib.patches import FancyArrow, Patch, PathPatch, Polygon, Rectangle, Wedge
from matplotlib.path import get_path_collection_extents
from matplotlib.quiver import Quiver
from matplotlib.spines import Spine
from matplotlib.transforms import Bbox, IdentityTransform

MIN_ALPHA = 0.02


class MarkReader(Picture):
    """Reads marks."""

    def marks(self) -> list[dict[str, Any]]:
        """Every series, axes by axes."""
        found: list[dict[str, Any]] = []
        for place, axes in enumerate(self.axes):
            if not axes.get_visible():
                continue
            taken: set[int] = set()
            for container in axes.containers:
                if isinstance(container, BarContainer) and len(container):
                    taken.update(id(patch) for patch in container)
                    self.add(found, self.attempt(place, axes, container))
            for artist in axes.get_children():
                if len(found) >= MAX_MARKS:
                    self.truncated = True
                    return found
                if id(artist) not in taken and artist not in (axes.patch,) and artist.get_visible():
                    self.add(found, self.attempt(place, axes, artist))
        return found

    def add(self, found: list[dict[str, Any]], mark: dict[str, Any] | None) -> None:
        if mark is None:
            return
        needed = sum(map(len, mark["data"].values()))
        if needed > self.values:
            mark["data"], self.truncated = {}, True
        else:
            self.values -= needed
        found.append(mark)

    def base(self, kind: str, place: int, artist: Any, box: Any, **more: Any) -> dict[str, Any]:
        """Fields common to all marks."""
        alpha = artist.get_alpha() if hasattr(artist, "get_alpha") else None
        alpha = 1.0 if alpha is None else float(np.clip(np.nanmean(np.asarray(alpha, dtype=float)), 0, 1))
        label = str(artist.get_label())
        shown = self.clipped(box, place, artist)
        described: dict[str, Any] = {
            "kind": kind,
            "data": {},
            "axes": place,
            "box": shown or box,
            "label": "" if label.startswith("_") else label[:4000],
            "alpha": number(alpha),
            "zorder": number(artist.get_zorder()) if hasattr(artist, "get_zorder") else 0.0,
            "visible": shown is not None and self.inside(shown) and alpha > MIN_ALPHA,
        }
        described.update(more)
        described["visible"] = bool(
            described["visible"]
            and (described.get("colors") or described.get("edgecolors") or described.get("colormap"))
        )
        return described

    def clipped(self, box: Box, place: int, artist: Any) -> Box | None:
        """The part of a mark's box that its axes do not clip away; None when nothing is left."""
        if hasattr(artist, "get_clip_on") and not artist.get_clip_on():
            return box
        frame = self.box(self.axes[place].bbox)
        if frame is None or self.axes[place].name == "3d":
            return box
        left, top, right, bottom = (
            max(box[0], frame[0]),
            max(box[1], frame[1]),
            min(box[2], frame[2]),
            min(box[3], frame[3]),
        )
        return (left, top, right, bottom) if right - left >= -0.5 and bottom - top >= -0.5 else None

    def bars(self, place: int, container: Any) -> dict[str, Any] | None:
        """One bar series: x is the centre along the category axis, y the length, base its start."""
        if all(hasattr(patch, "_segment3d") for patch in container):
            return self.bars_in_space(place, container)
        patches = [patch for patch in container if isinstance(patch, Rectangle) and patch.get_visible()]
        if not patches:
            return None
        across = getattr(container, "orientation", "vertical") == "horizontal"
        x = [p.get_y() + p.get_height() / 2 if across else p.get_x() + p.get_width() / 2 for p in patches]
        y = [p.get_width() if across else p.get_height() for p in patches]
        base = [p.get_x() if across else p.get_y() for p in patches]
        width = [p.get_height() if across else p.get_width() for p in patches]
        data = {"x": numbers(x), "y": numbers(y), "base": numbers(base), "width": numbers(width)}
        return self.bar_series(place, container, patches, data, orientation="horizontal" if across else "vertical")

    def bars_in_space(self, place: int, container: Any) -> dict[str, Any] | None:
        """One series of flat bars in three-dimensional axes: their centres, and where each ends along its length."""
        patches = [patch for patch in container if patch.get_visible()][:MAX_POINTS]
        if not patches:
            return None
        corners: Any = np.array([patch._segment3d[:4] for patch in patches], dtype=float)
        ends = corners.mean(axis=1)
        varying = np.ptp(corners, axis=1).any(axis=0)
        length = int(np.flatnonzero(varying)[-1]) if varying.any() else 2  # across comes before along
        ends[:, length] = corners[:, 2, length]  # the third corner of four lies opposite the first
        data = dict(zip("xyz", (numbers(part) for part in ends.T), strict=True))
        return self.bar_series(place, container, patches, data)

    def bar_series(
        self, place: int, container: Any, patches: list[Any], data: dict[str, Any], **more: Any
    ) -> dict[str, Any] | None:
        """What bars look like, flat or in space; None when none of them is anywhere."""
        boxes = [box for box in map(self.extent, patches[:MAX_POINTS]) if box]
        if not boxes:
            return None
        return self.base(
            "bar",
            place,
            container if hasattr(container, "get_zorder") else patches[0],
            (min(b[0] for b in boxes), min(b[1] for b in boxes), max(b[2] for b in boxes), max(b[3] for b in boxes)),
            label="" if str(container.get_label()).startswith("_") else str(container.get_label())[:4000],
            colors=hexes([p.get_facecolor() for p in patches]),
            edgecolors=hexes([p.get_edgecolor() for p in patches]),
            count=len(patches),
            data=data,
            linewidth=number(patches[0].get_linewidth()),
            hatch=patches[0].get_hatch(),
            **more,
        )

    def attempt(self, place: int, axes: Any, artist: Any) -> dict[str, Any] | None:
        """`mark`, but an artist that cannot be read (a subclass with other ideas) costs only itself."""
        try:
            return self.mark(place, axes, artist)
        except Exception:
            self.truncated = True
            return None

    def mark(self, place: int, axes: Any, artist: Any) -> dict[str, Any] | None:
        """One artist, or container of bars, as a mark; None for what is no mark (texts, axes parts, legends)."""
        if isinstance(artist, BarContainer):
            return self.bars(place, artist)
        if isinstance(artist, Line2D):
            return self.line(place, artist)
        if isinstance(artist, Quiver):
            return self.collection(
                "quiver", place, artist, {"x": artist.X, "y": artist.Y, "u": artist.U, "v": artist.V}
            )
        if isinstance(artist, AxesImage):
            return self.image(place, artist)
        if isinstance(artist, QuadMesh):
            return self.mesh(place, artist)
        if isinstance(artist, ContourSet):
            return self.collection("contour", place, artist, {"levels": artist.levels})
        if isinstance(artist, Collection):
            return self.any_collection(place, artist)
        if isinstance(artist, Patch) and not isinstance(artist, Spine):
            return self.patch(place, axes, artist)
        return None

    def line(self, place: int, line: Any) -> dict[str, Any] | None:
        box = self.extent(line)
        style, marker = str(line.get_linestyle()), str(line.get_marker())
        has_line, has_marker = style not in ("None", "", " "), marker not in ("None", "", " ")
        if box is None or not (has_line or has_marker):
            return None
        data3 = getattr(line, "_verts3d", None)
        data = (
            dict(zip("xyz", (numbers(part) for part in data3), strict=False))
            if data3 is not None
            else {"x": numbers(line.get_xdata(orig=False)), "y": numbers(line.get_ydata(orig=False))}
        )
        return self.base(
            "line" if has_line else "points",
            place,
            line,
            box,
            colors=[one_hex(line.get_color())],
            edgecolors=[],
            count=len(line.get_xdata(orig=False)) if data3 is None else len(data.get("x", [])),
            data=data,
            linestyle=style if has_line else None,
            linewidth=number(line.get_linewidth()),
            marker=marker[:40] if has_marker else None,
            markersize=number(line.get_markersize()),
        )

    def collection_box(self, artist: Any) -> Box:
        """The extent of a collection; of one in three dimensions, which knows none, its axes'."""
        nowhere = (0.0, 0.0, 0.0, 0.0)
        if getattr(artist.axes, "name", "") == "3d":
            return self.box(artist.axes.bbox) or nowhere
        return self.paths_box(artist) or nowhere

    def paths_box(self, artist: Any) -> Box | None:
        """Where a collection's paths lie. Its own get_window_extent leaves out markers, and contours altogether."""
        place = artist.get_transform()
        if isinstance(artist, QuadMesh):
            corners = place.transform(np.asarray(artist._coordinates, dtype=float).reshape(-1, 2))
            corners = corners[np.isfinite(corners).all(axis=1)]
            return self.box(Bbox([corners.min(axis=0), corners.max(axis=0)])) if len(corners) else None
        paths, shift = artist.get_paths(), artist.get_offset_transform()
        offsets: Any = np.ma.filled(np.ma.asarray(artist.get_offsets(), dtype=float), np.nan).reshape(-1, 2)
        if not place.is_affine:
            paths, place = [place.transform_path_non_affine(path) for path in paths[:MAX_POINTS]], place.get_affine()
        offsets = shift.transform(offsets)
        offsets = offsets[np.isfinite(offsets).all(axis=1)]
        if not paths or not len(offsets):
            return None
        bounds = get_path_collection_extents(
            place.frozen(), paths, artist.get_transforms(), offsets, IdentityTransform()
        )
        return self.box(bounds)

    def colormap(self, artist: Any) -> str | None:
        return str(artist.get_cmap().name)[:80] if artist.get_array() is not None else None

    def collection(self, kind: str, place: int, artist: Any, data: dict[str, Any]) -> dict[str, Any]:
        taken = {name: numbers(values) for name, values in data.items()}
        return self.base(
            kind,
            place,
            artist,
            self.collection_box(artist),
            colors=hexes(artist.get_facecolor()),
            edgecolors=hexes(artist.get_edgecolor()),
            colormap=self.colormap(artist),
            count=max((len(v) for v in taken.values()), default=0),
            data=taken,
        )

    def any_collection(self, place: int, artist: Any) -> dict[str, Any] | None:
        """Scatter, areas, segments and 3-D collections."""
        offsets3 = getattr(artist, "_offsets3d", None)
        if offsets3 is not None:
            return self.collection("points", place, artist, dict(zip("xyz", offsets3, strict=False)))
        if isinstance(artist, PathCollection):
            xy: Any = np.ma.filled(np.ma.asarray(artist.get_offsets(), dtype=float), np.nan).reshape(-1, 2)
            mark = self.collection("points", place, artist, {"x": xy[:, 0], "y": xy[:, 1]})
            mark["count"] = len(xy)
            sizes = artist.get_sizes()
            mark["markersize"] = number(np.sqrt(sizes[0])) if len(sizes) else None
            return mark
        if isinstance(artist, LineCollection):
            points = [np.asarray(s, dtype=float)[:, :2] for s in artist.get_segments()[:MAX_POINTS] if len(s)]
            xy = np.concatenate(points) if points else np.empty((0, 2))
            mark = self.collection("segments", place, artist, {"x": xy[:, 0], "y": xy[:, 1]})
            mark["colors"] = mark["colors"] or mark["edgecolors"]
            return mark
        if hasattr(artist, "_vec") or hasattr(artist, "_faces"):  # 3-D polygons before and after matplotlib 3.10
            faces = getattr(artist, "_faces", None)
            vertices: Any = (
                artist._vec if faces is None else np.ma.filled(np.ma.asarray(faces), np.nan).reshape(-1, 3).T
            )
            vertices = np.asarray(vertices, dtype=float)[:3]
            return self.collection("surface", place, artist, dict(zip("xyz", vertices, strict=False)))
        if isinstance(artist, PolyCollection):
            paths = artist.get_paths()
            xy = np.concatenate([p.vertices for p in paths[:MAX_POINTS]]) if paths else np.empty((0, 2))
            return self.collection("area", place, artist, {"x": xy[:, 0], "y": xy[:, 1]})
        return self.collection("other", place, artist, {})

    def image(self, place: int, artist: Any) -> dict[str, Any] | None:
        array = artist.get_array()
        if array is None:
            return None
        flat = array.ndim == 2
        return self.base(
            "image",
            place,
            artist,
            self.extent(artist) or (0.0, 0.0, 0.0, 0.0),
            colors=[] if flat else ["#000000"],
            edgecolors=[],
            colormap=str(artist.get_cmap().name)[:80] if flat else None,
            count=int(array.size),
            data={"value": numbers(array)},
            shape=[int(side) for side in array.shape[:2]],
        )

    def mesh(self, place: int, artist: Any) -> dict[str, Any]:
        array = artist.get_array()
        mark = self.collection("mesh", place, artist, {"value": [] if array is None else array})
        mark["colors"] = mark["colors"][:32]
        mark["shape"] = [int(side) - 1 for side in artist._coordinates.shape[:2]]
        return mark

    def patch(self, place: int, axes: Any, artist: Any) -> dict[str, Any] | None:
        box = self.extent(artist)
        if box is None:
            return None
        if isinstance(artist, Wedge):
            kind, data = "wedge", {"theta1": [artist.theta1], "theta2": [artist.theta2], "r": [artist.r]}
        elif isinstance(artist, Rectangle):
            kind, data = (
                "patch",
                {
                    "x": [artist.get_x()],
                    "y": [artist.get_y()],
                    "width": [artist.get_width()],
                    "height": [artist.get_height()],
                },
            )
        else:
            vertices = artist.get_path().vertices
            kind, data = patch_kind(artist), {"x": vertices[:, 0], "y": vertices[:, 1]}
        face = hexes([artist.get_facecolor()]) if artist.get_fill() else []
        return self.base(
            kind,
            place,
            artist,
            box,
            colors=face,
            edgecolors=hexes([artist.get_edgecolor()]),
            count=1,
            data={name: numbers(values) for name, values in data.items()},
            linewidth=number(artist.get_linewidth()),
            hatch=artist.get_hatch(),
        )


def patch_kind(artist: Any) -> str:
    """Areas are filled polygons; an upright rectangle that is drawn as a path is a box plot's box."""
    if isinstance(artist, Polygon) and not isinstance(artist, FancyArrow):
        return "area"
    vertices = artist.get_path().vertices
    if isinstance(artist, PathPatch) and len(vertices) in (5, 6):
        corners = vertices[:4]
        if len(np.unique(corners[:, 0])) == 2 and len(np.unique(corners[:, 1])) == 2:
            return "box"
    return "patch"
