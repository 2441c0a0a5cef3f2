"""`GET /`: the page, and its files under a path that names their content."""

from __future__ import annotations

import hashlib
from functools import cache
from html import escape
from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Response
from fastapi import Path as PathParameter

from service.problems import ProblemError

router = APIRouter(include_in_schema=False)

WEB = Path(__file__).resolve().parents[1] / "web"
INDEX = "index.html"
TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
# No script or style but our files; pictures also from memory (fetched with the key). Text cannot become markup:
# Trusted Types refuse it, for no policy is allowed.
POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' blob: data:",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
        "require-trusted-types-for 'script'",
        "trusted-types 'none'",
    )
)
SECURITY = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}


@cache
def files() -> dict[str, bytes]:
    """Every file of the page by its path below `service/web/`, read once."""
    paths = sorted(path for path in WEB.rglob("*") if path.suffix in TYPES)
    return {path.relative_to(WEB).as_posix(): path.read_bytes() for path in paths}


@cache
def version() -> str:
    """A hash of all files: another content has another address, so that browsers may keep what they have."""
    digest = hashlib.sha256()
    for name, content in files().items():
        digest.update(f"{name}\0{len(content)}\0".encode() + content)
    return digest.hexdigest()[:16]


@router.get("/")
async def page() -> Response:
    """The page. It holds no data: what it shows it asks the API for, with the visitor's key."""
    base = escape(f"/assets/{version()}/", quote=True)
    html = files()[INDEX].decode().replace("assets/", base)
    return Response(html, media_type=TYPES[".html"], headers={**SECURITY, "Cache-Control": "no-cache"})


@router.get("/assets/{build}/{name:path}")
async def asset(build: str, name: Annotated[str, PathParameter(max_length=200)]) -> Response:
    """A file of the page; one of another build is not here."""
    content = files().get(name)
    if content is None or build != version() or name == INDEX:
        raise ProblemError(404, "unknown_asset", "no such file: reload the page")
    headers = {**SECURITY, "Cache-Control": "public, max-age=31536000, immutable"}
    return Response(content, media_type=TYPES[Path(name).suffix], headers=headers)
