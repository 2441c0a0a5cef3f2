"""Fonts are read from memory and stay open across forks.

Matplotlib closes its fonts in every forked child, because parent and child would share the file offsets that FreeType
reads through; each child then opens and hints them anew. A font in memory shares nothing, not even a descriptor, and
its glyphs load three times as fast.

Which files are meant by a text's font is asked for with every text; the answer is kept while the lists of families are
the same.
"""

from __future__ import annotations

import functools
import io
import os
from collections.abc import Callable
from pathlib import Path
from types import FunctionType, SimpleNamespace
from typing import Any

import matplotlib as mpl
from matplotlib import font_manager
from matplotlib.font_manager import FontManager, FontProperties
from matplotlib.ft2font import FT2Font

FAMILIES = ("font.serif", "font.sans-serif", "font.cursive", "font.fantasy", "font.monospace")
MOST = 1000  # kinds of text whose files are kept


def install() -> None:
    """Give matplotlib a cache of fonts in memory, of the size of its own. Call before any font is used."""
    plain = font_manager._get_font.__wrapped__
    names = {**vars(font_manager), "ft2font": SimpleNamespace(FT2Font=_open)}
    opening = FunctionType(plain.__code__, names, plain.__name__, plain.__defaults__, plain.__closure__)
    opening.__kwdefaults__ = plain.__kwdefaults__
    # At a fork matplotlib clears the cache that it made itself, not this one.
    font_manager._get_font = functools.lru_cache(64)(opening)
    if mpl.__version__.startswith("3.8."):
        FontManager._find_fonts_by_props = _found_once(FontManager._find_fonts_by_props)


def _open(path: Any, *args: Any, **options: Any) -> FT2Font:
    # Never by its path: what this process opens so would be closed in its children, and the font broken.
    return FT2Font(io.BytesIO(Path(os.fsdecode(path)).read_bytes()), *args, **options)


def _found_once(plain: Callable[..., list[str]]) -> Callable[..., list[str]]:
    found: dict[Any, list[str]] = {}

    @functools.wraps(plain)
    def find_fonts_by_props(manager: Any, prop: Any, *args: Any, **options: Any) -> list[str]:
        if type(prop) is not FontProperties or args or options:
            return plain(manager, prop, *args, **options)
        families = (tuple(dict.__getitem__(mpl.rcParams, name)) for name in FAMILIES)
        key = (id(manager), len(manager.ttflist), hash(prop), *families)
        files = found.get(key)
        if files is None:
            files = plain(manager, prop)
            if len(files) == len(prop.get_family()) and len(found) < MOST:  # else it says each time what it misses
                found[key] = files
        return files.copy()

    return find_fonts_by_props
