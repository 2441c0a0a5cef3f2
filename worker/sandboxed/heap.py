"""Lays out the zygote's memory so that a fork of it is cheap: few pages to map, few to copy.

A child copies each 4 KiB page that it writes to, and counting references writes to most of what a script uses. Where a
page fault is dear (a virtual machine's), thousands of them cost more than the script's own work on them. So:

- `reserve` makes Python's arenas one stretch of memory, instead of pieces between libraries too small for a huge page;
- `settle` fills the gaps that loading left, so that a child's new objects lie together, gives back what is free, and
  puts the heap on huge pages, each of which a fork maps with one entry;
- `HotPages` learns which huge pages a typical script writes all over, and lets a child copy each of those at once.
"""

from __future__ import annotations

import array
import contextlib
import ctypes
import functools
import gc
import json
import mmap
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

SMALL, HUGE = mmap.PAGESIZE, 2 * 1024 * 1024
MADV_HUGEPAGE, MADV_COLLAPSE = 14, 25
SCATTERED = 0.5  # pages that a job copies lie here and there, which makes each dearer than those of a run of them
ARENA_BYTES = 1024 * 1024  # Python's small objects come from arenas of this size
POOL_BYTES, POOL_HEAD = 16 * 1024, 48  # each made of pools, for objects of one size, behind a header
WORTH_COLLAPSING = 384  # small pages present of a huge page's 512; the rest would be filled with zeros
SMALLEST, LARGEST = 48, 512  # bytes of an object that comes from an arena; `bytes` needs 33 at least
# About as many as the libraries fill; those left empty would only be held in memory.
ARENAS = {"core": 32, "all": 56}

_libc = ctypes.CDLL(None, use_errno=True)
_libc.madvise.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
_libc.malloc_trim.argtypes = [ctypes.c_size_t]


def reserve(arenas: int) -> list[bytes]:
    """Take arenas in a row and empty them again: each stays while one of the returned objects lives in it.

    Call before anything large is imported.
    """
    taken = [_block(LARGEST) for _ in range(arenas * (ARENA_BYTES // POOL_BYTES) * (POOL_BYTES // LARGEST - 1))]
    return list({id(one) // ARENA_BYTES: one for one in taken}.values())


def settle() -> list[bytes]:
    """Call once all is loaded. Returns what fills the gaps; it must be kept."""
    gc.collect()
    filling = [one for size in range(SMALLEST, LARGEST + 1, 16) for one in _fill(size)]
    gc.freeze()  # children do not copy the pages of what is loaded just to count references
    _libc.malloc_trim(0)
    with contextlib.suppress(OSError):  # a sandbox around ours may hide the page map; then pages stay small
        for place, entries in _entries(_whole_huge_pages()):
            if sum(entry >> 63 for entry in entries) >= WORTH_COLLAPSING:  # bit 63: present
                _libc.madvise(place, HUGE, MADV_HUGEPAGE)
                _libc.madvise(place, HUGE, MADV_COLLAPSE)
    return filling


def _block(size: int) -> bytes:
    return bytes(size - b"".__sizeof__())


def _fill(size: int) -> list[bytes]:
    """Blocks of `size` bytes in all gaps: until a pool that nothing else is in serves them one after the other."""
    taken: list[bytes] = []
    in_row = last = 0
    while in_row < 12 and len(taken) < 200_000:
        one = _block(size)
        taken.append(one)
        place = id(one)
        in_row = 1 if place % POOL_BYTES == POOL_HEAD else in_row + 1 if in_row and place == last + size else 0
        last = place
    return taken[: len(taken) - in_row]


def _whole_huge_pages() -> list[int]:
    """Addresses of the whole huge pages in private, writable, anonymous memory."""
    places: list[int] = []
    for line in Path("/proc/self/maps").read_text().splitlines():
        fields = line.split()
        if not fields[1].startswith("rw-p") or (len(fields) > 5 and fields[5] != "[heap]"):
            continue
        first, last = (int(end, 16) for end in fields[0].split("-"))
        places += range(-(-first // HUGE) * HUGE, last // HUGE * HUGE, HUGE)
    return places


def _entries(places: list[int]) -> Iterator[tuple[int, array.array[int]]]:
    """The page map's entries of each huge page."""
    with Path("/proc/self/pagemap").open("rb", buffering=0) as pagemap:
        for place in places:
            pagemap.seek(place // SMALL * 8)
            yield place, array.array("Q", pagemap.read(HUGE // SMALL * 8))


class HotPages:
    """The huge pages that are cheaper to copy whole than as small pages one by one."""

    def __init__(self, places: list[int]) -> None:
        self.places = places
        self._runs = _runs(places)

    @classmethod
    def learn(cls, *work: Callable[[], object]) -> HotPages:
        """From children that do `work`, each one of it, as jobs will. None are hot where copying whole is no gain."""
        worth = SCATTERED * _worth()
        written: dict[int, int] = {}
        for one in work:
            for place, count in _in_child(functools.partial(_written_by, one)):
                written[place] = written.get(place, 0) + count
        return cls(sorted(place for place, count in written.items() if count >= worth * len(work)))

    def copy(self) -> None:
        """In a forked child, before anything else: copy them."""
        for first, count in self._runs:
            _copy(first, count)


def _copy(first: int, count: int = 1) -> int:
    """Copy huge pages that are shared with the parent: a write splits one, collapsing makes it whole, and ours."""
    for place in range(first, first + count * HUGE, HUGE):
        ctypes.memmove(place, place, 1)
    return int(_libc.madvise(first, count * HUGE, MADV_COLLAPSE))


def _runs(places: list[int]) -> list[tuple[int, int]]:
    """Neighbours together, for each call of the kernel has a cost of its own: (first, how many)."""
    runs: list[tuple[int, int]] = []
    for place in places:
        first, count = runs[-1] if runs else (place, 0)
        if place == first + count * HUGE:
            runs[-1:] = [(first, count + 1)]
        else:
            runs.append((place, 1))
    return runs


def _worth() -> float:
    """How many small pages cost as much to copy as one huge one; infinite where huge ones cannot be copied."""
    scratch = mmap.mmap(-1, 3 * HUGE, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    small = -(-ctypes.addressof(ctypes.c_char.from_buffer(scratch)) // HUGE) * HUGE
    huge = small + HUGE
    _libc.madvise(small, 2 * HUGE, MADV_HUGEPAGE)
    ctypes.memset(small, 1, 2 * HUGE)

    def measure() -> list[tuple[int, int]]:
        start = time.process_time_ns()
        ctypes.memset(small, 2, HUGE)
        middle = time.process_time_ns()
        failed = _copy(huge)
        return [] if failed else [(middle - start, time.process_time_ns() - middle)]

    # The first get memory that nobody used for a while, which is dearer; a job that follows others pays the least.
    taken = [times for _ in range(12) for times in _in_child(measure)]
    if not taken:
        return float("inf")
    return min(huge for _, huge in taken) / min(small for small, _ in taken) * (HUGE // SMALL)


def _in_child(work: Callable[[], list[tuple[int, int]]]) -> list[tuple[int, int]]:
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.write(writing, json.dumps(work()).encode())
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as answer:
        said = answer.read()
    os.waitpid(pid, 0)
    return [(place, count) for place, count in json.loads(said or b"[]")]


def _written_by(work: Callable[[], object]) -> list[tuple[int, int]]:
    """Huge pages by address, and how many small pages of each this process alone holds after `work`."""
    places = _whole_huge_pages()
    work()
    alone = 1 << 63 | 1 << 56  # present, and mapped by nobody else
    counts = ((place, sum(entry & alone == alone for entry in entries)) for place, entries in _entries(places))
    return [(place, count) for place, count in counts if count]
