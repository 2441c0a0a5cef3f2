"""Scoring one pair on the page."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

from playwright.sync_api import Page, expect

from chartreward.profiles import load_profiles
from tests.browser.conftest import Opener, Playground, Watch

CHARTS = Path(__file__).parents[2] / "examples" / "charts"
SALES = (CHARTS / "sales.py").read_text()
WRONG = SALES.replace("6.3]", "3.9]").replace("#e07a1f", "#d95f5f").replace('"Mix"', '"Ratio of both"')


def test_a_pair_with_all_its_evidence(playground: Playground, mark: str) -> None:
    page = playground.page
    playground.score(f"{WRONG}# {mark}\n", SALES)
    expect(playground.status).to_have_text("drawn")
    assert 0.3 < float(playground.reward.inner_text()) < 1
    signals = len(load_profiles()["fidelity"].signals)
    expect(page.locator(".reward-bar .segment")).to_have_count(signals)
    expect(page.locator("button.signal")).to_have_count(signals)
    expect(page.locator(".compare .canvas img[src^='blob:']")).to_have_count(2)

    playground.signal("text")
    panel = page.locator(".signal-row").filter(has=page.locator("button.signal", has_text="text"))
    expect(panel.locator(".tokens.missing li")).to_have_text(["Mix"])
    expect(panel.locator(".tokens.extra li")).to_have_text(["Ratio of both"])

    playground.signal("color")
    row = page.locator(".pairs tr").filter(has_text="#d95f5f")
    expect(row).to_contain_text("#e07a1f")
    patches = row.locator(".patch")
    expect(patches.first).to_have_css("background-color", "rgb(224, 122, 31)")
    assert 10 < float(row.locator("td.num").first.inner_text()) < 60  # CIEDE2000

    playground.signal("data")
    expect(page.locator(".series-pair svg .bar.reference").first).to_be_visible()
    expect(page.locator(".series-pair svg path.series.generated").first).to_be_attached()

    playground.signal("layout")
    expect(page.locator(".layout .cell")).to_have_count(4)

    playground.signal("visual")
    stages = page.get_by_role("group", name="Backbone stage").get_by_role("radio")
    expect(page.locator(".heat-canvas")).to_be_visible()
    first = page.locator(".heat-canvas").evaluate("(canvas) => canvas.width")
    stages.last.check()
    expect(page.locator(".heat-canvas")).not_to_have_attribute("width", str(first))

    playground.signal("attributes")
    expect(page.locator(".pairs").filter(has_text="Jaccard").locator("tbody tr")).to_have_count(4)


def test_boxes_show_on_hover_and_on_demand(playground: Playground, mark: str) -> None:
    page = playground.page
    playground.score(f"{SALES}# {mark}\n", SALES)
    figure = page.locator("figure.chart").last
    figure.scroll_into_view_if_needed()
    place = figure.locator(".overlay").bounding_box()
    assert place is not None
    # "Mix" stands above the right axes: its box is small, so the title's own box wins over everything around it.
    figure.locator(".overlay").hover(position={"x": place["width"] * 0.77, "y": place["height"] * 0.06})
    expect(figure.locator(".under-pointer")).to_have_text("title Mix")
    expect(figure.locator(".box.hovered")).to_have_count(1)
    page.mouse.move(5, 5)
    expect(figure.locator(".box.hovered")).to_have_count(0)
    page.get_by_role("checkbox", name="text boxes").check()
    page.get_by_role("checkbox", name="mark boxes").check()
    expect(figure.locator(".box.mark")).to_have_count(3)
    assert figure.locator(".box.text").count() > 10
    playground.signal("text")
    page.locator(".pairs tbody tr").filter(has_text="Revenue by quarter").hover()
    expect(page.locator("figure.chart .box.pointed")).to_have_count(2)


def test_overlays(playground: Playground, mark: str) -> None:
    page = playground.page
    playground.score(f"{WRONG}# {mark}\n", SALES)
    page.get_by_role("radio", name="Swipe").check()
    cut = page.get_by_label("Where the reference ends")
    cut.fill("25")
    expect(page.locator(".overlaid.swipe .above")).to_have_css("clip-path", "inset(0px 0px 0px 25%)")
    page.get_by_role("radio", name="Blink").check()
    page.get_by_role("button", name="Swap").click()
    shown = page.locator(".caption-row [role=status]")
    before = shown.inner_text()
    assert before in ("Reference", "Generated")
    page.get_by_role("button", name="Swap").click()
    expect(shown).not_to_have_text(before)
    page.get_by_role("button", name="Blink", exact=True).click()
    expect(shown).to_have_text("")
    page.get_by_role("radio", name="Difference").check()
    expect(page.locator(".overlaid.difference .above")).to_have_css("mix-blend-mode", "difference")
    page.get_by_role("radio", name="Side by side").check()
    expect(page.locator("figure.chart")).to_have_count(2)


def test_picture_as_reference(playground: Playground, mark: str) -> None:
    page = playground.page
    playground.generated.fill(f"{SALES}# {mark}\n")
    page.get_by_role("radio", name="Picture").check()
    page.get_by_label("Choose a picture").set_input_files(CHARTS / "sales.png")
    expect(page.get_by_role("img", name="Reference picture")).to_be_visible()
    playground.profile.select_option("chartsimrl")
    playground.press()
    expect(playground.status).to_have_text("drawn")
    assert float(playground.reward.inner_text()) > 1.5
    playground.signal("attributes")
    expect(page.locator(".evidence .notice").first).to_contain_text("picture")


def test_picture_is_dropped(playground: Playground) -> None:
    page = playground.page
    data = base64.b64encode((CHARTS / "sales.png").read_bytes()).decode()
    files = page.evaluate_handle(
        """(data) => {
          const files = new DataTransfer();
          const bytes = Uint8Array.from(atob(data), (character) => character.charCodeAt(0));
          files.items.add(new File([bytes], "sales.png", { type: "image/png" }));
          return files;
        }""",
        data,
    )
    playground.reference.dispatch_event("drop", {"dataTransfer": files})
    expect(page.get_by_role("img", name="Reference picture")).to_be_visible()
    expect(page.get_by_role("radio", name="Picture")).to_be_checked()


def test_no_picture_chosen_is_said_not_sent(playground: Playground) -> None:
    page = playground.page
    page.get_by_role("radio", name="Picture").check()
    page.get_by_label("Choose a picture").set_input_files(
        {"name": "a.txt", "mimeType": "text/plain", "buffer": b"hello"}
    )
    expect(page.get_by_text("That is not a PNG, JPEG or WebP picture.")).to_be_visible()
    page.get_by_role("button", name="Score", exact=True).click()
    expect(page.locator(".notice.bad")).to_contain_text("Choose a reference picture first")


def test_exception_marks_its_line(playground: Playground, mark: str) -> None:
    playground.score(f"{(CHARTS / 'crash.py').read_text()}# {mark}\n", SALES, "chartsimrl")
    expect(playground.status).to_have_text("exception")
    expect(playground.reward).to_have_text("0.000")
    expect(playground.page.locator(".error-card")).to_contain_text("set_y_label")
    generated = playground.page.get_by_role("region", name="Generated")
    expect(generated.locator(".bad-line")).to_have_attribute("data-line", "13")
    expect(generated.locator(".bad-line")).to_be_visible()
    expect(playground.generated).to_have_attribute("aria-invalid", "true")
    playground.generated.fill("x = 1\n")
    expect(generated.locator(".bad-line")).to_be_hidden()


def test_line_of_a_completion_and_of_a_reference(playground: Playground, mark: str) -> None:
    page = playground.page
    page.get_by_role("radio", name="Completion").check()
    playground.score(f"Here it is.\n\n```python\nx = 1\nraise ValueError('{mark}')\n```\nDone.\n", SALES)
    bad = page.get_by_role("region", name="Generated").locator(".bad-line")
    expect(bad).to_have_attribute("data-line", "5")
    page.get_by_role("radio", name="Code").first.check()
    playground.score(f"{SALES}# {mark}\n", f"# {mark}\n1/0\n")
    expect(playground.status).to_have_text("bad reference")
    expect(playground.reward).to_have_text("no reward")
    reference = page.get_by_role("region", name="Reference")
    expect(reference.locator(".bad-line")).to_have_attribute("data-line", "2")


def test_timeout(playground: Playground, mark: str) -> None:
    playground.page.get_by_label("Time limit, s").fill("1.5")
    playground.score(f"while True: pass  # {mark}\n", SALES)
    expect(playground.status).to_have_text("timeout")
    expect(playground.page.locator(".compare")).to_contain_text("nothing was drawn")
    expect(playground.page.locator("figure.chart img")).to_have_count(1)


def test_integrity_findings_are_shown_on_the_picture(playground: Playground, mark: str) -> None:
    page = playground.page
    code = SALES.replace("plt.tight_layout()", 'left.text(1, 3, "Ghost", alpha=0.0)\nplt.tight_layout()')
    playground.score(f"{code}# {mark}\n", SALES)
    expect(page.get_by_role("heading", name="Integrity: 1 claim left out")).to_be_visible()
    expect(page.locator(".findings .tokens")).to_contain_text("Ghost")
    expect(page.locator("figure.chart .box.finding")).to_have_count(1)


def test_cancelling(playground: Playground, mark: str) -> None:
    page = playground.page
    page.get_by_label("Time limit, s").fill("10")
    playground.generated.fill(f"while True: pass  # {mark}\n")
    page.get_by_role("button", name="Score", exact=True).click()
    page.get_by_role("button", name="Cancel", exact=True).click()
    expect(page.locator("form [role=status]")).to_have_text("cancelled")
    expect(page.get_by_role("button", name="Score", exact=True)).to_be_enabled()


def test_permalink_scores_the_same_pair_elsewhere(open_page: Opener, mark: str) -> None:
    first = Playground(open_page())
    first.score(f"{WRONG}# {mark} ☃\n", SALES, "fx-verl")
    reward = first.reward.inner_text()
    first.page.get_by_role("button", name="Permalink").click()
    expect(first.page.locator("form [role=status]")).to_contain_text("The link is in the address bar")
    link = first.page.evaluate("location.hash")
    assert link.startswith("#/playground?pair=")
    second = Playground(open_page(f"/{link}"))
    second.done()
    expect(second.reward).to_have_text(reward)
    expect(second.generated).to_have_value(f"{WRONG}# {mark} ☃\n")
    expect(second.profile).to_have_value("fx-verl")


def test_permalink_of_a_picture_names_it_by_id(open_page: Opener, mark: str) -> None:
    first = Playground(open_page())
    first.page.get_by_role("radio", name="Picture").check()
    first.page.get_by_label("Choose a picture").set_input_files(CHARTS / "sales.png")
    first.score(f"{SALES}# {mark}\n", profile="chartsimrl")
    reward = first.reward.inner_text()
    first.page.get_by_role("button", name="Permalink").click()
    expect(first.page.locator("form [role=status]")).to_contain_text("The link is in the address bar")
    second = Playground(open_page(f"/{first.page.evaluate('location.hash')}"))
    second.done()
    expect(second.reward).to_have_text(reward)
    expect(second.page.get_by_text("registered before as ref_")).to_be_visible()


def test_broken_permalink(open_page: Opener) -> None:
    page = open_page("/#/playground?pair=%3Cscript%3E")
    expect(page.locator(".notice.bad")).to_have_text("This link does not hold a pair.")


def snippet(page: Page, name: str) -> str:
    page.get_by_role("button", name=name, exact=True).click()
    text = page.locator("#snippet-text").inner_text()
    page.get_by_role("button", name="Close").click()
    return text


def test_snippets_run(playground: Playground, mark: str, tmp_path: Path) -> None:
    """What is copied works as it stands, quotes and dollars included."""
    code = f'{WRONG}# {mark} it\'s "$HOME" `id` \\\\ ☃\n'
    playground.score(code, SALES)
    reward = float(playground.reward.inner_text())
    script = tmp_path / "snippet.py"
    script.write_text(snippet(playground.page, "Python"), encoding="utf-8")
    env = {**os.environ, "PYTHONPATH": os.fspath(Path(__file__).parents[2])}
    ran = subprocess.run(
        [sys.executable, script], env=env, text=True, capture_output=True, timeout=110, check=False, cwd=tmp_path
    )
    assert ran.returncode == 0, ran.stderr
    assert abs(float(ran.stdout.split()[0]) - reward) < 1e-3
    shell = snippet(playground.page, "curl")
    assert shell.startswith("curl ") and "$HOME" in shell
    if shutil.which("curl"):
        answer = subprocess.run(["bash", "-c", shell], text=True, capture_output=True, timeout=110, check=True)
        (result,) = json.loads(answer.stdout)["results"]
        assert abs(result["reward"] - reward) < 1e-3


def test_refused_request_says_why(playground: Playground, watch: Watch, mark: str) -> None:
    watch.expected = ("422",)
    playground.generated.fill(f"x = '{mark}'")
    playground.reference.fill("")
    playground.page.get_by_role("button", name="Score", exact=True).click()
    expect(playground.page.locator(".notice.bad")).to_contain_text("reference")


def test_keyboard_alone(open_page: Opener, mark: str) -> None:
    page = open_page()
    play = Playground(page)
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("main")).to_be_focused()
    page.keyboard.press("Tab")  # Code or Completion
    page.keyboard.press("Tab")
    expect(play.generated).to_be_focused()
    page.keyboard.press("Control+a")
    page.keyboard.insert_text(f"{WRONG}# {mark}\n")
    page.keyboard.press("Control+Enter")
    play.done()
    closed = page.locator("button.signal[aria-expanded=false]").first
    name = closed.inner_text()
    closed.focus()
    page.keyboard.press("Enter")
    expect(page.locator("button.signal[aria-expanded=true]").filter(has_text=name.split()[0])).to_be_focused()
    page.get_by_role("radio", name="Side by side").focus()
    page.keyboard.press("ArrowRight")
    expect(page.get_by_label("Where the reference ends")).to_be_visible()
    page.get_by_label("Where the reference ends").focus()
    page.keyboard.press("End")
    expect(page.locator(".overlaid.swipe .above")).to_have_css("clip-path", "inset(0px 0px 0px 100%)")
