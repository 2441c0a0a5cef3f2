"""What a label column may hold."""

import base64
import io
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from chartreward.errors import ChartRewardError, LabelError
from chartreward.labels import as_reference
from chartreward.models import Reference

CODE = "import matplotlib.pyplot as plt\nplt.plot([1])"
PIXELS = np.arange(4 * 5 * 3, dtype=np.uint8).reshape(4, 5, 3)


def png() -> bytes:
    out = io.BytesIO()
    Image.fromarray(PIXELS).save(out, format="PNG")
    return out.getvalue()


def encoded() -> str:
    return base64.b64encode(png()).decode()


@pytest.mark.parametrize(
    ("label", "expected"),
    [
        ("ref_9f2c", Reference(id="ref_9f2c")),
        (np.str_("bar_12"), Reference(id="bar_12")),
        (np.array("bar_12"), Reference(id="bar_12")),
        (" bar_12\n", Reference(id="bar_12")),
        (CODE, Reference(code=CODE)),
        ("import pylab; pylab.plot([1])", Reference(code="import pylab; pylab.plot([1])")),
        ("{1: 2}\nimport x", Reference(code="{1: 2}\nimport x")),
        ('{"ref": "bar_12"}', Reference(id="bar_12")),
        ({"id": "bar_12", "code": None}, Reference(id="bar_12")),
        (json.dumps({"code": CODE, "difficulty": 3}), Reference(code=CODE)),
        ({"image": encoded()}, Reference(image=encoded())),
        ({"image": png()}, Reference(image=encoded())),
        ("data:image/png;base64," + encoded(), Reference(image=encoded())),
        (png(), Reference(image=encoded())),
        ({"bytes": png(), "path": None}, Reference(image=encoded())),
        ([{"bytes": png(), "path": "a.png"}], Reference(image=encoded())),
        (["bar_12"], Reference(id="bar_12")),
        (Reference(id="x"), Reference(id="x")),
    ],
)
def test_labels(label: object, expected: Reference) -> None:
    assert as_reference(label) == expected


@pytest.mark.parametrize("picture", [Image.fromarray(PIXELS), PIXELS, Image.fromarray(PIXELS).convert("CMYK")])
def test_pictures_become_png(picture: object) -> None:
    image = as_reference(picture).image
    assert image is not None
    with Image.open(io.BytesIO(base64.b64decode(image))) as decoded:
        assert decoded.format == "PNG" and decoded.size == (5, 4)


def test_paths(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text(CODE)
    (tmp_path / "a.png").write_bytes(png())
    assert as_reference(tmp_path / "a.py") == Reference(code=CODE)
    assert as_reference(tmp_path / "a.png") == Reference(image=encoded())
    with pytest.raises(LabelError, match="No such file"):
        as_reference(tmp_path / "b.py")


@pytest.mark.parametrize(
    "label",
    [
        None,
        3.5,
        [],
        ["a", "b"],
        [[]],
        np.zeros((2, 2, 7)),
        {"bytes": "x"},
        "",
        "two words",
        {},
        {"code": CODE, "id": "x"},
        '{"a": 1}',
        {"code": 3},
    ],
)
def test_refused_with_a_reason(label: object) -> None:
    with pytest.raises(LabelError, match="label ") as refused:
        as_reference(label)
    assert isinstance(refused.value, ChartRewardError | ValueError)
