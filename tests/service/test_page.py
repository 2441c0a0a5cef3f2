"""The page's files: where they come from, how long they are kept, what they may do."""

from __future__ import annotations

import re

import httpx
import pytest

from service.app import create_app
from service.routes.page import WEB, files
from service.settings import ServiceSettings


@pytest.fixture
def client() -> httpx.AsyncClient:
    """The application without its life: the page asks neither Redis nor a worker."""
    settings = ServiceSettings(api_keys={"alice": "0" * 64}, auth_health=True)
    return httpx.AsyncClient(transport=httpx.ASGITransport(create_app(settings)), base_url="http://page")


async def test_page_needs_no_key_and_forbids_inline_script(client: httpx.AsyncClient) -> None:
    answer = await client.get("/")
    assert answer.status_code == 200 and answer.headers["cache-control"] == "no-cache"
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy and "script-src 'self';" in policy and "style-src 'self';" in policy
    assert "unsafe" not in policy and "http" not in policy
    assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\son\w+=|\sstyle=", answer.text)


async def test_every_file_is_served_under_its_build(client: httpx.AsyncClient) -> None:
    page = (await client.get("/")).text
    linked = re.findall(r'(?:href|src)="(/assets/[^"]+)"', page)
    assert len(linked) >= 5
    base = re.match(r"/assets/[0-9a-f]{16}/", linked[0])
    assert base is not None
    for name, content in files().items():
        if name == "index.html":
            continue
        answer = await client.get(base[0] + name)
        assert answer.content == content and "immutable" in answer.headers["cache-control"]
        assert answer.headers["x-content-type-options"] == "nosniff"
    for path in linked:
        assert (await client.get(path)).status_code == 200


@pytest.mark.parametrize("name", ["index.html", "../routes/page.py", "..%2froutes%2fpage.py", "nothing.js"])
async def test_other_files_are_not_served(client: httpx.AsyncClient, name: str) -> None:
    base = re.search(r"/assets/[0-9a-f]{16}/", (await client.get("/")).text)
    assert base is not None
    assert (await client.get(base[0] + name)).status_code == 404
    assert (await client.get("/assets/0123456789abcdef/js/main.js")).status_code == 404


def test_files_name_no_other_origin_and_make_no_markup() -> None:
    for path in WEB.rglob("*"):
        if path.suffix not in (".js", ".css", ".html"):
            continue
        text = path.read_text(encoding="utf-8").replace("http://www.w3.org/2000/svg", "")
        assert not re.search(r"https?://|//cdn", text), path
        assert not re.search(r"(inner|outer)HTML|insertAdjacentHTML|document\.write|\beval\(|new Function", text), path
        assert len(text.splitlines()) < 300, path


def test_no_viewer_from_a_cdn() -> None:
    with_viewer = {getattr(route, "path", "") for route in create_app(ServiceSettings()).routes}
    assert "/docs" not in with_viewer and "/openapi.json" in with_viewer
