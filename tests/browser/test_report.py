"""The report in a real browser: drawn, usable, silent on the network, and not to be attacked by what it shows."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tasks.report import Selection, make_report
from tasks.store import open_artifacts
from tests.browser.conftest import Seen
from tests.browser.history import CODE, HOSTILE, HOSTILE_ID, HUGE, HUGE_ID, NAME, fill
from tests.conftest import TEMPLATE, PostgresServer
from tests.conftest import _fresh as fresh

FIGURES = 12


@pytest.fixture(scope="module")
def report(postgres: PostgresServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("report")
    for engine in fresh(postgres, TEMPLATE):
        artifacts = open_artifacts((folder / "artifacts").as_uri())
        fill(engine, artifacts, 600)
        yield make_report(engine, artifacts, Selection(), folder / "report.html").path


@pytest.fixture
def shown(page: Page, report: Path) -> Page:
    page.goto(report.as_uri())
    page.wait_for_selector("html[data-ready]")
    page.wait_for_selector("#detail h4")
    return page


@pytest.fixture(autouse=True)
def quiet(seen: Seen, report: Path) -> Iterator[None]:
    """Whatever a test does: nothing but the page is asked for, and the console has no errors."""
    yield
    assert {address.split("#")[0] for address in seen.requests} <= {report.as_uri()}
    assert seen.errors == []


def count(page: Page) -> int:
    text = page.inner_text("#count")
    return int(re.match(r"[\d,]+", text)[0].replace(",", ""))  # type: ignore[index]


def test_every_figure_is_drawn_with_a_name_and_a_table(shown: Page) -> None:
    figures = shown.locator("figure")
    assert figures.count() == FIGURES
    for n in range(FIGURES):
        figure = figures.nth(n)
        drawing = figure.locator("svg[role=img]")
        assert drawing.get_attribute("aria-label")
        box = drawing.bounding_box()
        assert box
        assert box["width"] > 400
        assert box["height"] > 100
        assert drawing.locator("rect, path, circle").count() > 5
        assert figure.locator("tbody tr").count() > 0
    # No label is cut off by the edge of its figure, or lies on another.
    found = shown.evaluate(
        """() => [...document.querySelectorAll('figure')].flatMap(figure => {
            const edge = figure.getBoundingClientRect();
            const texts = [...figure.querySelectorAll('svg text')]
                .map(t => [t.textContent, t.getBoundingClientRect()]);
            const level = texts.filter(([, box]) => box.height < 22);
            return [
                ...texts.filter(([, box]) => box.left < edge.left || box.right > edge.right).map(([t]) => `cut: ${t}`),
                ...level.flatMap(([t, a], n) => level.slice(n + 1).filter(([, b]) => a.left < b.right - 1
                    && b.left < a.right - 1 && a.top < b.bottom - 4 && b.top < a.bottom - 4
                ).map(([u]) => `${figure.id}: ${t} on ${u}`)),
            ];
        })"""
    )
    assert found == []


def test_filters_narrow_the_list_alone_and_together(shown: Page) -> None:
    everything = count(shown)
    shown.select_option("#filter-subset", label="Docs")
    docs = count(shown)
    assert 0 < docs < everything
    assert all(name.startswith("Docs_") for name in shown.locator(".row .id").all_inner_texts())
    shown.select_option("#filter-difficulty", label="hard")
    hard = count(shown)
    assert 0 < hard < docs
    shown.fill("#filter-trust", "0.5")
    assert 0 < count(shown) < hard
    shown.click("#clear")
    assert count(shown) == everything
    shown.select_option("#filter-style", label="complete")
    assert shown.locator(".row .id").all_inner_texts() == [f"{HOSTILE_ID}_C"]
    shown.click("#clear")
    shown.fill("#filter-text", "huge")
    assert shown.locator(".row .id").all_inner_texts() == [f"{HUGE_ID}_I"]
    shown.fill("#filter-text", "no such words")
    assert count(shown) == 0
    assert shown.locator(".row").count() == 0


def test_a_click_on_a_bar_shows_what_it_counts(shown: Page) -> None:
    bar = shown.locator("#figure-difficulty rect[data-pick]").first
    told = bar.get_attribute("data-tip") or ""
    bar.click()
    assert count(shown) == int(told.split(": ")[1].split()[0])
    assert shown.input_value("#filter-subset") != ""


def test_a_point_of_the_map_tells_and_opens_its_question(shown: Page) -> None:
    own = shown.locator("#figure-map .dots-own").first
    x, y = map(float, re.match(r"M([\d.]+) ([\d.]+)", own.get_attribute("d") or "").groups())  # type: ignore[union-attr]
    own.scroll_into_view_if_needed()
    at = own.evaluate(
        "(dots, [x, y]) => { const p = new DOMPoint(x, y).matrixTransform(dots.getScreenCTM()); return [p.x, p.y]; }",
        [x, y],
    )
    shown.mouse.move(*at)
    name = shown.inner_text("#tip").splitlines()[0]
    assert re.fullmatch(r"\w+_\d{8}", name)
    shown.mouse.click(*at)
    expect(shown.locator("#detail h3")).to_have_text(f"{name}_I")


def test_the_list_can_be_used_by_keys_alone(shown: Page) -> None:
    shown.focus("#list")
    first = shown.inner_text("#detail h3")
    shown.keyboard.press("ArrowDown")
    expect(shown.locator("#detail h3")).not_to_have_text(first)
    chosen = shown.locator(".row[aria-selected=true]")
    assert chosen.get_attribute("id") == shown.get_attribute("#list", "aria-activedescendant")
    shown.keyboard.press("End")
    expect(shown.locator(".row[aria-selected=true]")).to_have_attribute("aria-posinset", str(count(shown)))
    shown.keyboard.press("Enter")
    expect(shown.locator("#detail")).to_be_focused()


def test_what_models_wrote_is_shown_and_does_nothing(shown: Page) -> None:
    for name in (f"{HOSTILE_ID}_C", f"{HOSTILE_ID}_I"):
        shown.evaluate("name => { location.hash = name }", name)
        expect(shown.locator("#detail h3")).to_have_text(name)
        for details in shown.locator("#detail details").all():
            details.locator("summary").click()
    prose = shown.locator("#detail pre.prose").first.inner_text()
    visible = HOSTILE.replace("\x1b", "\\x1b").replace("\u202e", "\\u202e").replace("\u202c", "\\u202c")
    assert prose == visible
    whole = shown.inner_text("#detail")
    assert whole.count("<script>") >= 9  # question, solution, test, messages, models, trial, reasoning, code, seed ...
    assert "\\ud800" in whole
    assert "\\x00" in whole
    assert "\x1b" not in whole
    assert "\u202e" not in shown.content()
    assert shown.locator("#detail :is(script, img, style, iframe, [onclick], [onerror])").count() == 0
    assert shown.locator("a[href^='javascript' i]").count() == 0
    shown.locator("#detail").click()
    assert shown.evaluate("window.attacked") is None


def test_even_what_got_into_the_page_could_do_nothing(shown: Page, seen: Seen) -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    listener.setblocking(False)
    address = f"http://127.0.0.1:{listener.getsockname()[1]}/"
    shown.evaluate(
        """address => {
            const image = new Image();
            image.src = address;
            document.body.append(image);
            const script = document.createElement('script');
            try { script.textContent = "window.attacked = 'script'"; } catch { /* refused already */ }
            document.body.append(script);
            try { document.body.insertAdjacentHTML('beforeend', '<b onclick="window.attacked=1">x</b>'); } catch { }
        }""",
        address,
    )
    assert shown.evaluate("address => fetch(address).then(() => 'sent', () => 'refused')", address) == "refused"
    with listener, pytest.raises(BlockingIOError):
        listener.accept()  # nobody called
    assert shown.evaluate("window.attacked") is None
    assert shown.locator("b[onclick]").count() == 0
    assert any("Content Security Policy" in error for error in seen.errors)
    seen.errors.clear()
    seen.requests.remove(address)  # the browser's word for a request that the policy ended


def test_a_text_of_megabytes_is_cut_and_the_page_stays_usable(shown: Page, report: Path) -> None:
    assert report.stat().st_size < HUGE
    shown.evaluate("name => { location.hash = name }", f"{HUGE_ID}_I")
    expect(shown.locator("#detail h3")).to_have_text(f"{HUGE_ID}_I")
    assert f"{HUGE - 20_000:,} more characters" in shown.locator("#detail pre.prose").first.inner_text()


def test_trials_show_their_solutions_folded_and_once(shown: Page) -> None:
    shown.evaluate("name => { location.hash = name }", f"{HUGE_ID}_I")
    expect(shown.locator("#detail h3")).to_have_text(f"{HUGE_ID}_I")
    folded = shown.locator("#detail details", has=shown.locator("pre[aria-label='Solution of a trial']"))
    assert folded.count() == 2  # one of trials 0 and 1, one of the others
    shared = folded.first.locator("pre")
    assert not shared.is_visible()
    summary = folded.first.locator("summary")
    assert re.fullmatch(r"solution of trials 0: [✓✗] [\w ]+, 1: [✓✗] [\w ]+", summary.inner_text())
    summary.click()
    assert shared.inner_text().startswith(CODE[:8_000].rstrip("\n"))
    assert f"{len(CODE) - 8_000:,} more characters" in shared.inner_text()


def test_code_is_coloured_and_stays_what_it_is(shown: Page) -> None:
    shown.evaluate("name => { location.hash = name }", f"{HUGE_ID}_I")
    expect(shown.locator("#detail h3")).to_have_text(f"{HUGE_ID}_I")
    solution = shown.locator("#detail pre[aria-label=Solution]")
    assert solution.text_content() == f"{CODE[:20_000]}\n… {len(CODE) - 20_000} more characters"
    assert NAME[:19_000] in (solution.text_content() or "")
    for kind, texts in {"keyword": ["def", "return"], "name": ["f", "g"], "comment": ["# why"]}.items():
        assert solution.locator(f".t-{kind}").all_inner_texts() == texts


def test_a_link_to_a_triplet_opens_it(page: Page, report: Path) -> None:
    page.goto(f"{report.as_uri()}#{HUGE_ID}_I")
    expect(page.locator("#detail h3")).to_have_text(f"{HUGE_ID}_I")


@pytest.mark.parametrize("typed", ["100%", "%E0%A4%A", "nobody"])
def test_an_address_of_nothing_opens_the_first(page: Page, report: Path, typed: str) -> None:
    page.goto(f"{report.as_uri()}#{typed}")
    page.wait_for_selector("html[data-ready]")
    expect(page.locator("#detail h3")).to_be_visible()
    page.evaluate("typed => { location.hash = typed }", f"{typed}%")
    page.evaluate("name => { location.hash = name }", f"{HUGE_ID}_I")
    expect(page.locator("#detail h3")).to_have_text(f"{HUGE_ID}_I")


def contrast(page: Page, selector: str) -> float:
    """Of an element's text with the background that it lies on (WCAG 2.2)."""
    return float(
        page.evaluate(
            """selector => {
                const probe = document.createElement('canvas').getContext('2d', { willReadFrequently: true });
                const rgb = colour => {
                    probe.fillStyle = colour; probe.fillRect(0, 0, 1, 1); return probe.getImageData(0, 0, 1, 1).data;
                };
                const light = colour => [...rgb(colour)].slice(0, 3).map(c => c / 255)
                    .map(c => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)
                    .reduce((sum, c, n) => sum + c * [0.2126, 0.7152, 0.0722][n], 0);
                const element = document.querySelector(selector), style = getComputedStyle(element);
                let under = element;
                while (getComputedStyle(under).backgroundColor === 'rgba(0, 0, 0, 0)') under = under.parentElement;
                const ink = element.namespaceURI.endsWith('svg') ? style.fill : style.color;
                const [a, b] = [light(ink), light(getComputedStyle(under).backgroundColor)].sort((x, y) => y - x);
                return (a + 0.05) / (b + 0.05);
            }""",
            selector,
        )
    )


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_texts_can_be_read_in_both_themes(shown: Page, scheme: str) -> None:
    shown.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
    shown.evaluate("name => { location.hash = name }", f"{HUGE_ID}_I")
    expect(shown.locator("#detail h3")).to_have_text(f"{HUGE_ID}_I")
    for selector in (
        "h1", ".tiles span", "figcaption", "summary", "svg text", "svg text.muted", ".row .id", ".row p", ".row .tag",
        "#detail dt", "#detail .good", ".t-keyword", ".t-number", ".t-name", "nav a", "footer",
    ):  # fmt: skip
        assert contrast(shown, selector) >= 4.5, selector


def test_the_theme_can_be_chosen_against_the_systems(shown: Page) -> None:
    def paper() -> str:
        return str(shown.evaluate("getComputedStyle(document.body).backgroundColor"))

    light = paper()
    shown.select_option("#theme", "dark")
    dark = paper()
    assert dark != light
    shown.emulate_media(color_scheme="dark")
    assert paper() == dark
    shown.select_option("#theme", "light")
    assert paper() == light


def test_on_paper_there_are_the_figures_in_light_colours(shown: Page) -> None:
    shown.emulate_media(color_scheme="dark", media="print")
    assert shown.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert shown.locator("figure svg").first.is_visible()
    assert not shown.locator("#triplets").is_visible()
    assert contrast(shown, "figcaption") >= 4.5


def test_figures_need_no_script(browser: Browser, report: Path) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(report.as_uri())
    assert page.locator("figure svg").count() == FIGURES
    assert page.locator("noscript p").is_visible()
    context.close()


def test_the_page_has_landmarks_one_title_and_named_controls(shown: Page) -> None:
    for landmark in ("header", "nav", "main", "footer", "[role=search]"):
        assert shown.locator(landmark).count() == 1, landmark
    levels = [int(name[1]) for name in shown.locator("h1, h2, h3, h4").evaluate_all("all => all.map(h => h.tagName)")]
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))
    for control in shown.locator("input, select").all():
        assert control.evaluate("c => c.labels.length") == 1
    assert shown.evaluate("new Set([...document.querySelectorAll('[id]')].map(e => e.id)).size") == (
        shown.locator("[id]").count()
    )


def test_a_narrow_window_does_not_scroll_sideways(shown: Page) -> None:
    shown.set_viewport_size({"width": 390, "height": 800})
    assert shown.evaluate("document.documentElement.scrollWidth") <= 390
