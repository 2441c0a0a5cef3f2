"""What the documentation site (mkdocs.yml) takes from outside docs/: two pages, and the files that pages link to."""

from __future__ import annotations

import re
from pathlib import Path, PurePosixPath
from posixpath import normpath, relpath
from typing import Any

from mkdocs.structure.files import File, Files

ROOT = Path(__file__).resolve().parents[1]
PAGES = {"CONTRIBUTING.md": "contributing.md", "CHANGELOG.md": "changelog.md"}
ALIASES = {"README.md": "index.md"}
LINK = re.compile(r"(\]\()([^)\s:#]+)((?:#[^)\s]*)?\))")


def on_files(files: Files, config: Any) -> Files:
    """Add the pages that live at the top of the repository, and copies of linked files that are no pages."""
    for source, target in PAGES.items():
        files.append(File.generated(config, target, content=(ROOT / source).read_text(encoding="utf-8")))
    linked = {path for page in files.documentation_pages() for path in _outside(page.content_string, page.src_uri)}
    for path in sorted(linked):
        files.append(File.generated(config, _copied(path), content=(ROOT / path).read_bytes()))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Point links at their place in the site."""
    here = page.file.src_uri

    def moved(match: re.Match[str]) -> str:
        path = _repository_path(match[2], here)
        if not (ROOT / path).exists():  # a page of the site's own, or no link at all (code)
            return match[0]
        return f"{match[1]}{relpath(_site_path(path), str(PurePosixPath(here).parent))}{match[3]}"

    return LINK.sub(moved, markdown)


def _repository_path(link: str, page: str) -> str:
    """A link's target as a path inside the repository."""
    folder = "" if page in PAGES.values() else str(PurePosixPath("docs", page).parent)
    return normpath(f"{folder}/{link}" if folder else link)


def _site_path(path: str) -> str:
    """Where the site has a file of the repository."""
    known = {**PAGES, **ALIASES}
    if path in known:
        return known[path]
    return path.removeprefix("docs/") if path.startswith("docs/") else _copied(path)


def _copied(path: str) -> str:
    return f"repository/{path}.txt" if path.endswith(".md") else f"repository/{path}"


def _outside(markdown: str, page: str) -> list[str]:
    """Linked files of the repository that are neither in docs/ nor pages. A missing one is mkdocs' to report."""
    paths = [_repository_path(match[2], page) for match in LINK.finditer(markdown)]
    known = {**PAGES, **ALIASES}
    return [path for path in paths if not path.startswith("docs/") and path not in known and (ROOT / path).is_file()]
