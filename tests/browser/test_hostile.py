"""Text from outside stays text: in charts, codes, ids, profiles, errors, links."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
from playwright.sync_api import Page, Route, expect

from tests.browser.conftest import Opener, Playground, Watch

SALES = (Path(__file__).parents[2] / "examples" / "charts" / "sales.py").read_text()
MARKUP = '<img src=x onerror="window.hit=1"><script>window.hit=1</script>\'"`${window.hit=1}'
RTL = "\u202eright to left\u202c שלום"
LONG = "L" * 10_240


def assert_inert(page: Page) -> None:
    """No script ran, no element was made."""
    assert page.evaluate("window.hit") is None
    expect(page.locator("main script, main [onerror], main img[src='x']")).to_have_count(0)


def titled(title: str) -> str:
    return SALES.replace('right.set_title("Mix")', f"right.set_title({title!r})")


def test_hostile_titles_are_inert(playground: Playground, mark: str) -> None:
    page = playground.page
    for title in (MARKUP.replace("$", ""), RTL, LONG):
        playground.score(f"{titled(title)}# {mark}\n", SALES)
        for signal in ("text", "attributes", "data", "color", "layout"):
            playground.signal(signal)
        page.get_by_role("checkbox", name="text boxes").check()
        assert_inert(page)
        # Nothing is pushed out of the window, however long the text.
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert len(page.locator("main").inner_text()) < 30_000


def test_markup_is_shown_as_written(playground: Playground, mark: str) -> None:
    title = "<script>window.hit=1</script>"
    playground.score(f"{titled(title)}# {mark}\n", SALES)
    playground.signal("text")
    expect(playground.page.locator(".tokens.extra, .pairs").filter(has_text=title).first).to_be_visible()
    assert_inert(playground.page)


def test_hostile_error_messages(playground: Playground, mark: str) -> None:
    code = f"raise ValueError({MARKUP!r} + {RTL!r} + 'x' * 20000)  # {mark}\n"
    playground.score(code, SALES)
    expect(playground.page.locator(".error-card")).to_contain_text("<img src=x")
    assert_inert(playground.page)
    assert playground.page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_hostile_ids_and_profile_names(open_page: Opener, base_url: str, watch: Watch, mark: str) -> None:
    """An id is any text. A profile's name is checked by the service, its title is not: both are attacked."""
    items: list[dict[str, Any]] = [
        {"id": f"{MARKUP}{mark}", "code": f"{SALES}# {mark}\n", "reference": "r"},
        {"id": f"{RTL}{mark}", "code": f"1/0  # {mark}\n", "reference": "r"},
    ]
    body = {"items": items, "references": {"r": {"code": SALES}}, "return": ["render", "evidence", "description"]}
    batch = httpx.post(f"{base_url}/v1/rewards?wait=100", json=body, timeout=110).json()
    page = open_page(f"/#/batches/{batch['id']}")
    expect(page.locator(".thumb-name").filter(has_text="<script>").first).to_be_visible()
    assert_inert(page)
    page.goto(f"{base_url}/#/batches/{batch['id']}/0")
    expect(page.get_by_role("heading", level=1)).to_contain_text("<script>")
    assert_inert(page)

    def hostile(route: Route) -> None:
        recipe = httpx.get(f"{base_url}/v1/profiles").json()[0]
        recipe.update(name=MARKUP, title=MARKUP, formula=MARKUP + LONG, citation=RTL + LONG)
        route.fulfill(status=200, content_type="application/json", body=json.dumps([recipe]))

    page.route("**/v1/profiles", hostile)
    page.goto(f"{base_url}/#/profiles")
    page.reload()
    expect(page.locator("article.profile")).to_contain_text("<script>")
    assert_inert(page)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_hostile_addresses(open_page: Opener, base_url: str, watch: Watch) -> None:
    watch.expected = ("404",)
    page = open_page(f"/#/batches/{quote(MARKUP, safe='')}")
    expect(page.locator(".notice.bad")).to_be_visible()
    assert_inert(page)
    for path in ("#/<script>window.hit=1</script>", "#/batches/%E0%A4%A", "#javascript:window.hit=1"):
        page.goto(f"{base_url}/{path}")
        expect(page.locator("main h1").first).to_be_attached()
        assert_inert(page)


def test_policy_stops_inline_script_and_markup(open_page: Opener, watch: Watch) -> None:
    """Even a mistake in our own code could not make markup of text."""
    watch.expected = ("Content Security Policy", "Trusted Type", "TrustedHTML", "TrustedScript")
    page = open_page()
    Playground(page)
    refused = page.evaluate(
        """() => {
          try { document.querySelector("main").innerHTML = "<b>x</b>"; return ""; } catch (error) { return error.name; }
        }"""
    )
    assert refused == "TypeError"
    page.evaluate(
        """() => {
          const style = document.createElement("style");
          style.textContent = "main { display: none }";
          document.head.append(style);
        }"""
    )
    expect(page.locator("main")).to_be_visible()
