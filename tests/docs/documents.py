"""The documentation as tests see it: documents, their fenced blocks, links and anchors."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FENCE = re.compile(r"^( *)(`{3,})(\w*)[^\n]*\n(.*?)^\1\2 *$", re.DOTALL | re.MULTILINE)
LINK = re.compile(r"!?\[(?:[^\]\[]|\[[^\]]*\])*\]\(([^)\s]+)\)")
HEADING = re.compile(r"^(#{1,6}) +(.+?) *#*$", re.MULTILINE)


@dataclass(frozen=True)
class Block:
    """A fenced block. `name` is what excuses and preludes call it: document and first line."""

    document: str
    language: str
    text: str
    line: int

    @property
    def name(self) -> str:
        """`docs/api.md: first line`."""
        return f"{self.document}: {self.text.strip().splitlines()[0].strip() if self.text.strip() else ''}"


def documents() -> list[Path]:
    """Every document for people."""
    top = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md")]
    return [*top, *sorted((ROOT / "docs").glob("*.md"))]


def blocks() -> list[Block]:
    """The fenced blocks of all documents, in order."""
    found = []
    for path in documents():
        text = path.read_text(encoding="utf-8")
        for match in FENCE.finditer(text):
            line = text.count("\n", 0, match.start()) + 1
            found.append(Block(str(path.relative_to(ROOT)), match[3], match[4], line))
    return found


def prose(path: Path) -> str:
    """A document without its blocks and code spans."""
    return re.sub(r"`[^`\n]*`", "``", FENCE.sub("", path.read_text(encoding="utf-8")))


def links(path: Path) -> Iterator[tuple[str, str]]:
    """(path, anchor) of every link and picture that stays in the repository."""
    for match in LINK.finditer(prose(path)):
        if not re.match(r"[a-z]+:", match[1]):
            target, _, anchor = match[1].partition("#")
            yield target, anchor


def anchors(path: Path) -> set[str]:
    """The anchors that GitHub and the site give a document's headings."""
    found: set[str] = set()
    for _, title in HEADING.findall(FENCE.sub("", path.read_text(encoding="utf-8"))):
        plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", title.replace("`", ""))
        slug = re.sub(r"[^\w\- ]", "", plain.lower()).strip().replace(" ", "-")
        found.add(slug if slug not in found else f"{slug}-1")
    return found
