"""Content addresses: what makes two references, or two pieces of work, the same."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from chartreward.models import Limits, Profile, Reference

REFERENCE_PREFIX = "ref_"
# They describe a recipe and change no number.
_PROSE = {"title", "formula", "citation"}


def canonical(value: Any) -> bytes:
    """JSON with sorted keys and no spaces: the same bytes for the same value."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False).encode()


def reference_id(reference: Reference) -> str:
    """The content id of a reference given as code or image, or the id it was given by."""
    if reference.id is not None:
        return reference.id
    kind, content = ("code", reference.code) if reference.code is not None else ("image", reference.image)
    assert content is not None
    return REFERENCE_PREFIX + hashlib.sha256(f"{kind}:{content}".encode("utf-8", "surrogatepass")).hexdigest()[:32]


class WorkKeys:
    """Names the work of one batch: `key(code, reference)` differs whenever the result could.

    `fleet` is everything about the workers that a result depends on: engine and jail versions, weights by backbone.
    """

    def __init__(
        self,
        *,
        profile: Profile,
        runtime: str,
        limits: Limits,
        returns: list[str],
        fleet: Mapping[str, Any],
    ) -> None:
        common = {
            "profile": profile.model_dump(mode="json", exclude=_PROSE),
            "runtime": runtime,
            "limits": limits.model_dump(mode="json"),
            "returns": sorted(set(returns)),
            "fleet": dict(fleet),
        }
        self._common = hashlib.sha256(canonical(common))

    def key(self, code: str, reference: str) -> str:
        """64 hex digits for this code compared with the reference of this content id."""
        digest = self._common.copy()
        digest.update(f"\n{len(reference)}:{reference}\n".encode())
        digest.update(code.encode("utf-8", "surrogatepass"))
        return digest.hexdigest()
