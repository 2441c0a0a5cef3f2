"""A cache that forgets the least recently used once it holds too many bytes."""

from __future__ import annotations

from collections import OrderedDict
from typing import Generic, TypeVar

T = TypeVar("T")


class ByteCache(Generic[T]):
    """Key -> value with a byte budget. Not thread-safe: its owner serialises."""

    def __init__(self, budget: int) -> None:
        self.budget = budget
        self.held = 0
        self._entries: OrderedDict[str, tuple[T, int]] = OrderedDict()

    def get(self, key: str) -> T | None:
        """The value, now the most recently used; None when it is not here."""
        entry = self._entries.get(key)
        if entry is None:
            return None
        self._entries.move_to_end(key)
        return entry[0]

    def put(self, key: str, value: T, size: int) -> None:
        """Keep a value of `size` bytes; the newest one stays even when it alone exceeds the budget."""
        if key in self._entries:
            self.held -= self._entries.pop(key)[1]
        self._entries[key] = (value, size)
        self.held += size
        while self.held > self.budget and len(self._entries) > 1:
            _, (_, freed) = self._entries.popitem(last=False)
            self.held -= freed

    def __len__(self) -> int:
        return len(self._entries)
