"""A batch as one process knows it: its items, what is known of them, and how it is written to the wire and to Redis."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

import orjson

from chartreward import __version__
from chartreward.ledger import Record
from chartreward.models import BatchStatus, ItemError, ItemResult, Status


@dataclass(slots=True)
class Batch:
    """What this process knows of a batch. `news` are the indices that became known and were not handed out yet."""

    id: str
    ids: list[str | None]
    keys: list[str | None]
    local: dict[int, Record]
    hits: set[str]
    created: float
    deadline: float
    profile: str
    runtime: str
    known: dict[str, Record] = field(default_factory=dict)
    closed: str | None = None
    last_entry: bytes = b"0"

    @property
    def missing(self) -> list[str]:
        """Distinct keys without a result."""
        return [key for key in dict.fromkeys(self.keys) if key is not None and key not in self.known]

    @property
    def is_over(self) -> bool:
        """Every item has its final result."""
        return self.closed is not None or not self.missing

    @property
    def status(self) -> BatchStatus:
        """Running, completed (deadlines included), or cancelled."""
        if self.closed == "cancelled":
            return BatchStatus.CANCELLED
        return BatchStatus.COMPLETED if self.is_over else BatchStatus.RUNNING

    def results(self) -> Iterator[tuple[int, Record, bool]]:
        """(index, record, came from the cache) of the items that are known, in request order."""
        for index, key in enumerate(self.keys):
            record = self.local[index] if key is None else self.known.get(key)
            if record is None and self.closed is not None:
                record = self._unfinished()
            if record is not None:
                yield index, record, key in self.hits

    def _unfinished(self) -> Record:
        """What an item gets that the end of its batch overtook."""
        cancelled = self.closed == "cancelled"
        status = Status.CANCELLED if cancelled else Status.DEADLINE
        message = "the batch was cancelled" if cancelled else "the batch's deadline passed before this item was done"
        return Record.of(
            ItemResult(
                status=status,
                reward=None,
                normalized=None,
                error=ItemError(type=status.value, message=message),
                profile=self.profile,
                runtime=self.runtime,
                engine=__version__,
            )
        )

    def line(self, index: int, record: Record, cached: bool) -> bytes:
        """One result as JSON."""
        return record.place(self.ids[index], index, cached=cached)

    def json(self) -> bytes:
        """The `Batch` model of the wire, put together without parsing results."""
        rows = list(self.results())
        head = orjson.dumps(
            {
                "id": self.id,
                "status": self.status.value,
                "total": len(self.keys),
                "done": len(rows),
                "counts": dict(Counter(record.status for _, record, _ in rows)),
                "created": self.created,
                "profile": self.profile,
                "runtime": self.runtime,
            }
        )
        return head[:-1] + b',"results":[' + b",".join(self.line(*row) for row in rows) + b"]}"

    def pack(self) -> bytes:
        """What any process needs to read the batch later."""
        return orjson.dumps(
            {
                "ids": self.ids if any(name is not None for name in self.ids) else None,
                "keys": self.keys,
                "local": {str(index): record.pack().decode() for index, record in self.local.items()},
                "hits": sorted(self.hits),
                "first": self._known_at_once(),
                "created": self.created,
                "deadline": self.deadline,
                "profile": self.profile,
                "runtime": self.runtime,
            }
        )

    def _known_at_once(self) -> dict[str, int]:
        """Statuses of the items that needed no worker: no code in them, or found in the cache."""
        at_once = [(n, key) for n, key in enumerate(self.keys) if not key or key in self.hits]
        records = [self.known[key] if key else self.local[n] for n, key in at_once]
        return dict(Counter(record.status for record in records))

    @staticmethod
    def unpack(batch: str, raw: bytes) -> Batch:
        """The inverse of `pack`."""
        data = orjson.loads(raw)
        local = {int(index): Record.unpack(record.encode()) for index, record in data.pop("local").items()}
        data.pop("first", None)
        ids = data.pop("ids") or [None] * len(data["keys"])
        return Batch(id=batch, ids=ids, local=local, hits=set(data.pop("hits")), **data)
