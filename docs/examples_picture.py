"""Draws docs/images/examples.png: every bundled example as rendered in the jail, with its reward. Run as a script."""

from __future__ import annotations

import io
import tomllib
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from chartreward.completions import extract_code
from chartreward.messages import WorkChunk, WorkItem
from chartreward.models import Limits, Reference
from chartreward.profiles import load_profiles
from worker.pipeline import Engine
from worker.settings import WorkerSettings

ROOT = Path(__file__).resolve().parents[1]
EXAMPLES = ROOT / "examples"
TILE = (450, 200)
HEAD = 34


def main() -> None:
    """Score the examples that end soon and have a script as reference, and tile what they drew."""
    listed = tomllib.loads((EXAMPLES / "examples.toml").read_text())["example"]
    shown = [example for example in listed if example["name"] not in ("endless-loop", "image-reference")]
    pictures: list[tuple[str, bytes | None]] = []
    engine = Engine(WorkerSettings())
    stored: dict[str, bytes] = {}
    engine.renders = stored.__setitem__
    engine.start()
    for example in shown:
        text = (EXAMPLES / example["generated"]).read_text()
        code = extract_code(text) if example["generated"].endswith(".md") else text
        chunk = WorkChunk(
            items=[WorkItem(key=example["name"], code=code or "")],
            reference=example["reference"],
            profile=load_profiles()["chartsimrl"],
            runtime="mpl38",
            limits=Limits(timeout_s=5),
            returns=["render"],
        )
        reference = Reference(code=(EXAMPLES / example["reference"]).read_text())
        for _, result in engine.score(chunk, reference):
            name = result.render.url.rsplit("/", 1)[1].removesuffix(".png") if result.render else None
            pictures.append((f"{example['title']}: {result.status}, {result.reward:.3f} of 2", stored.get(name or "")))
    engine.close()
    tile(pictures).save(ROOT / "docs" / "images" / "examples.png", optimize=True)


def tile(pictures: list[tuple[str, bytes | None]], columns: int = 2) -> Image.Image:
    """A contact sheet with a line of text above each picture."""
    rows = -(-len(pictures) // columns)
    width, height = TILE
    sheet = Image.new("RGB", (columns * (width + 12) + 12, rows * (height + HEAD + 12) + 12), "#eef1f5")
    draw = ImageDraw.Draw(sheet)
    font = ImageFont.load_default(15)
    for place, (title, data) in enumerate(pictures):
        left, top = 12 + place % columns * (width + 12), 12 + place // columns * (height + HEAD + 12)
        draw.text((left + 4, top + 8), title, fill="#1c2733", font=font)
        box = (left, top + HEAD)
        draw.rectangle((*box, left + width, top + HEAD + height), fill="#ffffff")
        if data is None:
            draw.text((left + width // 2 - 40, top + HEAD + height // 2 - 8), "no picture", fill="#8a94a0", font=font)
        else:
            picture = Image.open(io.BytesIO(data)).convert("RGB")
            picture.thumbnail(TILE, Image.Resampling.LANCZOS)
            sheet.paste(picture, (left + (width - picture.width) // 2, top + HEAD + (height - picture.height) // 2))
    return sheet


if __name__ == "__main__":
    main()
