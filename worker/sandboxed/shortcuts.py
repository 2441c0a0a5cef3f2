"""Shorter ways to what matplotlib 3.8 works out for every artist it makes: same results, fewer steps.

Each replaces a function that a chart calls thousands of times, for the arguments that charts have; for any others it
calls the function it replaces.
"""

from __future__ import annotations

import functools
import types
from collections.abc import Callable
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib import cbook
from matplotlib._enums import CapStyle, JoinStyle
from matplotlib.artist import Artist
from matplotlib.font_manager import FontProperties
from matplotlib.markers import MarkerStyle
from matplotlib.path import Path
from matplotlib.transforms import Affine2D, IdentityTransform


class UnusualError(Exception):
    """Something that only the replaced function knows how to treat."""


def install() -> None:
    """Replace the functions, once a process. Other versions of matplotlib have other insides and are left alone."""
    if not mpl.__version__.startswith("3.8.") or mpl._deprecated_map or mpl._deprecated_ignore_map:
        return
    # The backend has been chosen and no name is deprecated: all that is left of reading a parameter is to look it up.
    mpl.RcParams.__getitem__ = dict.__getitem__
    cbook.normalize_kwargs = _normalize_kwargs(cbook.normalize_kwargs)
    Artist._update_props = _update_props(Artist._update_props)
    Artist.pchanged = _pchanged(Artist.pchanged)
    FontProperties.copy = _font_copy(FontProperties.copy)
    MarkerStyle._set_marker = _set_marker(MarkerStyle._set_marker)


def _normalize_kwargs(plain: Callable[..., dict[str, Any]]) -> Callable[..., dict[str, Any]]:
    """Without building an artist's table of aliases for every call: few calls use an alias."""
    known: dict[int, tuple[dict[str, list[str]], frozenset[str]]] = {}

    @functools.wraps(plain)
    def normalize_kwargs(kw: Any, alias_mapping: Any = None) -> dict[str, Any]:
        mapping = getattr(alias_mapping, "_alias_map", None)
        if type(kw) is not dict or type(mapping) is not dict or not isinstance(alias_mapping, (Artist, type)):
            return plain(kw, alias_mapping)
        entry = known.get(id(mapping))
        if entry is None:
            entry = known[id(mapping)] = mapping, frozenset(alias for names in mapping.values() for alias in names)
        return kw.copy() if entry[1].isdisjoint(kw) else plain(kw, alias_mapping)

    return normalize_kwargs


def _update_props(plain: Callable[..., list[Any]]) -> Callable[..., list[Any]]:
    """Without a context manager around the setters."""

    @functools.wraps(plain)
    def update_props(artist: Any, props: Any, errfmt: str) -> list[Any]:
        if hasattr(artist, "eventson"):
            return plain(artist, props, errfmt)
        done: list[Any] = []
        artist.eventson = False
        try:
            for name, value in props.items():
                if name == "axes":
                    artist.axes = value
                    done.append(None)
                    continue
                setter = getattr(artist, "set_" + name, None)
                if not callable(setter):
                    raise AttributeError(errfmt.format(cls=type(artist), prop_name=name))
                done.append(setter(value))
        finally:
            del artist.eventson
        if done:
            artist.pchanged()
            artist.stale = True
        return done

    return update_props


def _pchanged(plain: Callable[[Any], None]) -> Callable[[Any], None]:
    """Without asking whom to call when nobody listens."""

    @functools.wraps(plain)
    def pchanged(artist: Any) -> None:
        if artist._callbacks.callbacks:
            plain(artist)

    return pchanged


def _font_copy(plain: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Without the protocol of `copy.copy`."""

    @functools.wraps(plain)
    def copy(font: Any) -> Any:
        if type(font) is not FontProperties:
            return plain(font)
        new = object.__new__(FontProperties)
        new.__dict__.update(font.__dict__)
        return new

    return copy


def _set_marker(plain: Callable[[Any, Any], None]) -> Callable[[Any, Any], None]:
    """Without `copy.deepcopy` when a marker is made from another one, as each tick's are."""

    @functools.wraps(plain)
    def set_marker(marker: Any, given: Any) -> None:
        if type(given) is not MarkerStyle:
            plain(marker, given)
            return
        try:
            marker.__dict__ = {name: _copied(value) for name, value in given.__dict__.items()}
        except UnusualError:
            plain(marker, given)

    return set_marker


def _copied(value: Any) -> Any:
    kind = type(value)
    if kind in (type(None), bool, int, float, str, JoinStyle, CapStyle):
        return value
    if kind is types.MethodType and type(value.__self__) is MarkerStyle:
        # A deep copy of the attributes alone binds it to a marker that has none yet.
        return types.MethodType(value.__func__, object.__new__(MarkerStyle))
    if kind is Path:
        return _copied_attributes(value, _readonly=False)
    if kind in (Affine2D, IdentityTransform) and not value._parents:
        return _copied_attributes(value, _parents={})
    raise UnusualError


def _copied_attributes(value: Any, **changed: Any) -> Any:
    new = object.__new__(type(value))
    for name, attribute in value.__dict__.items():
        if name in changed:
            new.__dict__[name] = changed[name]
        elif type(attribute) is np.ndarray:
            new.__dict__[name] = attribute.copy("K")
        elif attribute is None or type(attribute) in (bool, int, float, str):
            new.__dict__[name] = attribute
        else:
            raise UnusualError
    return new
