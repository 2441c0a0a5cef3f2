"""What a dataset's label column may hold, and the reference it means.

Trainers hand a reward function one value a sample (`label`, `ground_truth`, `solution`, `answer`). It is one of

* the id of a registered reference: `ref_9f2c...` (any single word of at most 200 characters),
* the reference script itself,
* JSON: `{"id": ...}`, `{"ref": ...}`, `{"code": ...}` or `{"image": "<base64>"}`,
* a picture: a `data:image/...;base64,` string, bytes, a PIL image, a numpy array, `{"bytes": ...}` as undecoded data
  sets have it, or the `pathlib.Path` of a file (a path to a `.py` file is the script in it),
* a list with one of these.
"""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from chartreward.errors import LabelError
from chartreward.models import Reference


def as_reference(label: Any) -> Reference:
    """Return the reference that a label means (see the module's docstring); raises `LabelError`."""
    try:
        return _reference(label)
    except LabelError:
        raise
    except (ValidationError, OSError, ValueError, TypeError, ImportError) as error:
        why = error.errors()[0]["msg"] if isinstance(error, ValidationError) else str(error)
        raise LabelError(f"label {_shown(label)} gives no reference: {why}") from None


def _reference(label: Any) -> Reference:
    if isinstance(label, Reference):
        return label
    if isinstance(label, Mapping):
        return _from_mapping(label)
    if isinstance(label, list | tuple) and len(label) == 1:
        return _reference(label[0])
    if isinstance(label, str):
        return _from_string(label)
    if isinstance(label, Path):
        if label.suffix == ".py":
            return Reference(code=label.read_text(encoding="utf-8"))
        return Reference(image=_base64(label.read_bytes()))
    if isinstance(label, bytes | bytearray | memoryview):
        return Reference(image=_base64(bytes(label)))
    if hasattr(label, "save") and hasattr(label, "convert"):  # PIL.Image.Image, without importing it
        return Reference(image=_base64(_png(label)))
    if hasattr(label, "__array_interface__") and getattr(label, "ndim", 0) in (2, 3):
        from PIL import Image

        return Reference(image=_base64(_png(Image.fromarray(label))))
    if hasattr(label, "item") and getattr(label, "ndim", None) == 0:  # a numpy scalar
        return _reference(label.item())
    raise LabelError(f"label {_shown(label)} is neither an id, a script, a picture, nor JSON with one of them")


def _from_string(label: str) -> Reference:
    text = label.strip()
    if text.startswith("{"):
        try:
            fields = json.loads(text)
        except (ValueError, RecursionError):
            fields = None
        if isinstance(fields, dict):
            return _from_mapping(fields)
    if text.startswith("data:image/"):
        return Reference(image=text.partition(",")[2])
    if text and len(text) <= 200 and not any(letter.isspace() for letter in text):
        return Reference(id=text)
    if "\n" in text or "import " in text:
        return Reference(code=label)
    raise LabelError(f"label {_shown(label)} is neither an id (a single word), a script, nor JSON")


def _from_mapping(fields: Mapping[str, Any]) -> Reference:
    given = {name: fields[name] for name in ("id", "ref", "code", "image") if fields.get(name) is not None}
    if not given and isinstance(fields.get("bytes"), bytes):
        given["image"] = fields["bytes"]
    if "ref" in given:
        given.setdefault("id", given.pop("ref"))
    if len(given) != 1:
        raise LabelError(f"label {_shown(dict(fields))} must hold exactly one of id (or ref), code, image")
    name, value = given.popitem()
    if name == "image" and not isinstance(value, str):
        return _reference(value)
    return Reference.model_validate({name: value})


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


def _png(image: Any) -> bytes:
    out = io.BytesIO()
    (image if image.mode in ("RGB", "RGBA", "L", "P") else image.convert("RGB")).save(out, format="PNG")
    return out.getvalue()


def _shown(label: Any) -> str:
    text = repr(label)
    return text if len(text) <= 80 else text[:77] + "..."
