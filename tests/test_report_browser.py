"""The report's page in a real browser: what people see, hear and can do, and that no log runs as a script."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys

import pages
import pytest
from playwright.sync_api import expect, sync_playwright

REQUIRED = "REPORT_NEEDS_BROWSER"
"""A variable that CI sets: a browser that is missing is a failure there, not a skipped test."""

HARMLESS = ("file:", "data:", "blob:")


pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def chromium():
    names = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
    path = next(filter(None, map(shutil.which, names)), None)
    if path is None:
        said = f"no browser: none of {', '.join(names)} is on the path"
        if os.environ.get(REQUIRED):
            pytest.fail(said)
        pytest.skip(said)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        browser.close()


class Opened:
    """A page that is open, and what it said and asked for."""

    def __init__(self, context, path):
        self.said, self.asked = [], []
        self.page = context.new_page()
        self.page.set_default_timeout(20_000)
        self.page.on("console", lambda message: self.said.append(f"{message.type}: {message.text}"))
        self.page.on("pageerror", lambda error: self.said.append(f"error: {error}"))
        self.page.on("dialog", lambda dialog: self.said.append(f"dialog: {dialog.message}") or dialog.dismiss())
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.page.goto(path.as_uri())

    def text(self, selector):
        return " ".join(self.page.locator(selector).inner_text().split())

    def check_quiet(self):
        """Hold that nothing was complained about, asked for, or run."""
        assert self.said == []
        assert [url for url in self.asked if not url.startswith("data:")] == [self.page.url.partition("#")[0]]
        assert self.page.evaluate("window.canary") is None


@pytest.fixture
def open_page(chromium, tmp_path):
    contexts = []

    def opened(data, width=1280, **options):
        path = tmp_path / f"report{len(contexts)}.html"
        path.write_bytes(data)
        context = chromium.new_context(viewport={"width": width, "height": 800}, offline=True, **options)
        contexts.append(context)
        return Opened(context, path)

    yield opened
    for context in contexts:
        context.close()


def use_everything(page):
    """Unfold, hover, click, and type into whatever there is."""
    page.evaluate("document.querySelectorAll('details').forEach((each) => { each.open = true; })")
    for bar in page.locator("#timeline-chart .point").all()[:3]:
        bar.hover(force=True)
    for selector in ("#try-behind", "#try-failed", "#try-before", "#timeline-statuses button", "[data-zoom]"):
        for button in page.locator(selector).all():
            if button.is_visible():
                button.click()
    for select in page.locator("select").all():
        if select.is_visible():
            select.evaluate(
                "(each) => [...each.options].forEach((option, place) => {"
                " each.selectedIndex = place; each.dispatchEvent(new Event('change', { bubbles: true })); })"
            )
    page.locator("#filters button").click()
    page.fill("#filter-text", "<script> </script> {{7*7}}")
    page.fill("#filter-text", "")
    for curve in page.locator("#nodes-memory-chart .drag, #items-chart .drag").all()[:2]:
        if curve.is_visible():
            curve.hover(force=True)


def test_no_log_runs_as_a_script(open_page):
    """Whatever logs, paths and tables say, none of it runs, is fetched, or becomes more than text."""
    for group in (pages.HOSTILE[:4], pages.HOSTILE[4:8], pages.HOSTILE[8:]):
        opened = open_page(pages.hostile(" ".join(group)))
        assert opened.page.title().startswith("The run failed: ")
        assert opened.page.locator("#records-rows tr").count() == 2
        assert opened.page.locator("iframe, img, a[href^='javascript'], main a, script[src]").count() == 0
        assert "49" not in opened.text("#records-rows")
        opened.check_quiet()


def test_no_log_runs_whatever_one_does(open_page):
    """Hovering, unfolding, choosing and searching run nothing of a log either."""
    lines = [pages.record(number / 10, text, node=text, level=text) for number, text in enumerate(pages.HOSTILE)]
    attempts = [
        pages.attempt(number, mini_batch=text, error=text, process_name=text, status="failed")
        for number, text in enumerate(pages.HOSTILE)
    ]
    used = [pages.usage(node=text, process=number % 3 or None) for number, text in enumerate(pages.HOSTILE)]
    problems = tuple(map(pages.problem, pages.HOSTILE))
    opened = open_page(pages.page(pages.summary(problems=problems), attempts, lines, used))
    use_everything(opened.page)
    expect(opened.page.locator("#records-rows tr")).to_have_count(len(pages.HOSTILE))  # once the page has searched
    assert opened.page.locator("iframe, img, a[href^='javascript'], main a, script[src]").count() == 0
    opened.check_quiet()


def test_a_page_is_quiet(open_page):
    """An ordinary page has no error on the console and asks for nothing, whatever one does with it."""
    opened = open_page(pages.page())
    use_everything(opened.page)
    opened.check_quiet()


def test_bars_are_the_tries(open_page):
    """The timeline has a bar for each try; a status can be left out; a bar that is chosen tells all of its try."""
    opened = open_page(pages.page())
    page = opened.page
    assert page.locator("#timeline-chart .point").count() == 25
    assert opened.text("#timeline-shown") == "25 of 25 tries shown."
    page.get_by_role("button", name="Succeeded").click()
    assert page.locator("#timeline-chart .point").count() == 5
    assert opened.text("#timeline-shown") == "5 of 25 tries shown."
    page.get_by_role("button", name="Succeeded").click()
    page.locator("#timeline-chart .point path").last.click(force=True)
    shown = opened.text("#try-details")
    for part in ("Mini-batch 3, try 1", "Failed", "Process-2 (4712)", "0 of 10 succeeded", "ValueError: seven"):
        assert part in shown


def test_a_try_shows_its_lines_and_leads_to_its_records(open_page):
    """The lines that a process logged during a try stand beside it, and a button shows all records of that time."""
    opened = open_page(pages.page())
    page = opened.page
    page.locator("#timeline-table summary").click()
    page.locator("#tries-rows").get_by_role("button", name="5", exact=True).first.click()
    assert "Mini-batch 5, try 1" in opened.text("#try-details")
    assert "10:00:10.000 INFO row 30 scored" in opened.text("#try-details")
    page.get_by_role("button", name="Show the records of that time").click()
    assert opened.text("#records-count").startswith("Records 1 to 6 of 6 that match, of 122 on this page.")
    assert page.evaluate("document.activeElement.id") == "filter-time-clear"
    page.keyboard.press("Enter")
    assert "of 122 that match." in opened.text("#records-count")


def test_records_are_found(open_page):
    """Words, level and process narrow the records down; how many there are is told; a page at a time is shown."""
    opened = open_page(pages.page())
    page = opened.page
    counted = page.locator("#records-count")
    assert opened.text("#records-kept") == "122 records, all of them here."
    assert counted.inner_text() == "Records 1 to 50 of 122 that match."
    page.get_by_role("button", name="Next page").last.click()
    assert counted.inner_text() == "Records 51 to 100 of 122 that match."
    page.get_by_label("Text").fill("ROW 11 scored")
    counted.filter(has_text="Records 1 to 11 of 11 that match, of 122 on this page.").wait_for()
    assert page.locator("#records-rows mark").first.inner_text() == "row"
    page.get_by_label("Text").fill("no such words")
    counted.filter(has_text="No record on this page matches, of 122.").wait_for()
    page.get_by_role("button", name="Clear").click()
    page.get_by_label("Level").select_option("warnings")
    assert counted.inner_text() == "Records 1 to 2 of 2 that match, of 122 on this page."
    page.locator("#filter-process").select_option(label="Process-2 (4712)")
    assert counted.inner_text() == "Records 1 to 1 of 1 that match, of 122 on this page."
    page.locator("#records-rows summary").click()
    assert "ValueError: seven" in page.locator("#records-rows pre").inner_text()
    assert "logs/user/10.0.0.4/Process-1.txt, from byte 1,000; logger score" in opened.text("#records-rows")


def test_everything_can_be_done_with_the_keyboard(open_page):
    """Tab comes to every control, each shows where the focus is, and arrow keys move among the bars."""
    opened = open_page(pages.page())
    page = opened.page
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    assert page.locator(".skip").bounding_box()["y"] >= 0
    page.keyboard.press("Enter")
    assert page.evaluate("location.hash") == "#main"
    reached = []
    for _ in range(200):
        page.keyboard.press("Tab")
        found = page.evaluate(
            "(() => { const at = document.activeElement; const style = getComputedStyle(at);"
            " return [at.id || at.textContent.trim().slice(0, 30), at.tagName, style.outlineStyle !== 'none' && style.outlineWidth !== '0px']; })()"
        )
        if found[1] == "BODY":
            break
        reached.append(found)
    assert [name for name, _, is_visible in reached if not is_visible] == []
    names = {name for name, _, _ in reached}
    assert names >= {"timeline-chart", "try-before", "try-behind", "try-failed", "filter-text", "filter-level", "Clear"}
    controls = page.locator(
        "button:visible:enabled, select:visible, input:visible, summary:visible, [tabindex='0']:visible"
    )
    assert len(reached) >= controls.count() - 1
    page.locator("#timeline-chart").focus()
    seen = []
    for key in ("ArrowRight", "ArrowRight", "ArrowUp", "End", "Home", "ArrowRight", "ArrowDown", "Enter"):
        page.keyboard.press(key)
        facts = opened.text("#try-details")
        seen.append((re.search(r"Mini-batch (\d+)", facts)[1], re.search(r"Process-\d", facts)[0]))
    first, second = "Process-1", "Process-2"
    assert seen[:5] == [("1", second), ("2", second), ("2", first), ("19", first), ("0", first)]
    assert seen[5:] == [("1", first), ("1", second), ("1", second)]
    opened.check_quiet()


def test_screen_readers_get_names(open_page):
    """Landmarks, headings, tables and every control have names; counts are announced; charts say what they show."""
    opened = open_page(pages.page())
    page = opened.page
    page.evaluate("document.querySelectorAll('details').forEach((each) => { each.open = true; })")
    tree = page.context.new_cdp_session(page).send("Accessibility.getFullAXTree")["nodes"]
    found = [
        (node["role"]["value"], node.get("name", {}).get("value", ""))
        for node in tree
        if not node.get("ignored") and "role" in node
    ]
    named = {
        "button",
        "combobox",
        "searchbox",
        "link",
        "table",
        "region",
        "navigation",
        "search",
        "group",
        "image",
        "DisclosureTriangle",
    }
    details = {"group"}  # <details> is a group without a name, its summary names it
    assert [role for role, name in found if role in named - details and not name.strip()] == []
    roles = [role for role, _ in found]
    for role in ("banner", "navigation", "main", "search"):
        assert roles.count(role) == 1, role
    headings = [name for role, name in found if role == "heading"]
    assert headings[0] == "The run failed"
    assert {"Timeline of mini-batches", "Throughput", "Resources", "Errors", "Records", "About this page"} <= set(
        headings
    )
    images = [name for role, name in found if role in ("image", "img")]
    assert any("Items per second over time, " in name for name in images)
    assert any("Memory of nodes over time, at most 8,000 MB, in node 10.0.0.4" in name for name in images)
    assert page.locator("html").get_attribute("lang") == "en"
    assert page.locator("#records-count").get_attribute("aria-live") == "polite"
    levels = page.evaluate("[...document.querySelectorAll('h1, h2, h3')].map((each) => Number(each.tagName[1]))")
    assert levels[0] == 1
    assert all(behind - before <= 1 for before, behind in zip(levels, levels[1:]))


def test_the_page_fits_a_phone(open_page):
    """At a phone's width nothing is cut off and the page does not scroll sideways, whatever names there are."""
    for data in (pages.page(), pages.hostile("W" * 400), pages.hostile("a long name, " * 50)):
        opened = open_page(data, width=375)
        opened.page.evaluate("document.querySelectorAll('details').forEach((each) => { each.open = true; })")
        for width in (375, 320, 768):
            opened.page.set_viewport_size({"width": width, "height": 800})
            assert opened.page.evaluate("document.documentElement.scrollWidth") == width
            beyond = (
                "[...document.querySelectorAll('main button, main select, main input, main h1, main h2, main h3')].filter("
                "(each) => each.getBoundingClientRect().right > innerWidth && !each.closest('.scroll')).map((each) => each.outerHTML)"
            )
            assert opened.page.evaluate(beyond) == []


def test_light_and_dark(open_page):
    """The page follows the system's colours, its charts too, also when they change, and its wish for less motion; print is light."""
    opened = open_page(pages.page(), color_scheme="dark")
    page = opened.page

    def colours():
        return page.evaluate(
            "[getComputedStyle(document.body).backgroundColor, getComputedStyle(document.body).color,"
            " getComputedStyle(document.querySelector('#timeline-chart .ytick text')).fill,"
            " Plotly.d3 ? 0 : getComputedStyle(document.querySelector('#items-chart .js-line')).stroke]"
        )

    dark = colours()
    page.emulate_media(color_scheme="light")
    page.wait_for_function(
        "() => getComputedStyle(document.querySelector('#items-chart .js-line')).stroke === 'rgb(10, 90, 168)'"
    )
    light = colours()
    assert all(one != other for one, other in zip(dark[:3], light[:3]))
    behaviour = "getComputedStyle(document.documentElement).scrollBehavior"
    assert page.evaluate(behaviour) == "smooth"
    page.emulate_media(reduced_motion="reduce")
    assert page.evaluate(behaviour) == "auto"
    page.emulate_media(media="print", color_scheme="light")
    assert not page.locator("nav").is_visible()
    assert page.locator("#errors pre").first.is_visible()
    assert len(page.pdf()) > 20_000
    opened.check_quiet()


def test_an_empty_page_says_so(open_page):
    """Where there is nothing to show, each part says that in a sentence, and nothing breaks."""
    opened = open_page(pages.page(pages.Summary("logs", pages.Progress("unknown")), [], [], []))
    for selector, said in [
        ("#timeline-shown", "The files tell of no try at a mini-batch."),
        ("#rates-shown", "The files tell of no mini-batch that succeeded, with its time."),
        ("#resources-shown", "The tree has no table of resources that could be read."),
        ("#errors .shown", "No errors were found."),
        ("#records-kept", "The tree has no record."),
    ]:
        assert opened.text(selector) == said
    assert opened.page.locator(".chart:visible").count() == 0
    opened.check_quiet()


def test_many_processes_come_in_pages(open_page):
    """Of many processes some are in the chart at a time; the others are a click away, and a node can be chosen."""
    names = [
        {"node": f"10.0.0.{4 + number % 3}", "process_name": f"Process-{number // 3 + 1}", "process": number}
        for number in range(90)
    ]
    attempts = [pages.attempt(number % 10, **name) for name in names for number in range(10)]
    used = [pages.usage(name["node"], process=name["process"]) for name in names] + [
        pages.usage(f"10.0.0.{n}") for n in (4, 5, 6)
    ]
    opened = open_page(pages.page(attempts=attempts, usages=used))
    page = opened.page
    assert opened.text("#timeline-rows") == "Processes 1 to 24 of 90"
    assert page.locator("#timeline-chart .ytick text").count() == 24
    page.get_by_role("button", name="Further processes").click()
    assert opened.text("#timeline-rows") == "Processes 25 to 48 of 90"
    page.locator("#timeline-node").select_option("10.0.0.6")
    assert opened.text("#timeline-rows") == "Processes 1 to 24 of 30"
    assert opened.text("#resources-shown").startswith("3 of 3 nodes and 90 of 90 processes shown")
    page.locator("#resources-node").select_option("10.0.0.5")
    assert opened.text("#resources-shown").startswith("1 of 3 nodes and 30 of 90 processes shown")
    assert "memory: 16,000 MB" in page.locator("#nodes-memory-chart .annotation").text_content()
    opened.check_quiet()


def test_what_is_thinned_is_told(open_page):
    """Of a long run every part says how much of it is shown, and which command shows the rest."""
    lines = (pages.record(number / 100, f"row {number}") for number in range(60_000))
    opened = open_page(pages.page(attempts=map(pages.attempt, range(9_000)), lines=lines))
    assert re.match(
        r"[\d,]+ of 60,000 records shown: [\d,]+ of 60,000 others\. .* All: entry-script-helper logs 'my run'$",
        opened.text("#records-kept"),
    )
    assert re.match(
        r"[\d,]+ of 9,000 tries shown: .* All: entry-script-helper logs 'my run' --mini-batch N$",
        opened.text("#timeline-shown"),
    )
    opened.check_quiet()


def test_a_million_records_stay_usable(open_page, tmp_path):
    """A page of a million records is small, was made in bounded memory, opens, tells what it leaves out, and is searched."""
    pages.million(tmp_path / "run")
    code = (
        "import sys; from entry_script_helper.cli import main; code = main(['report', 'run', '-o', 'page.html']);"
        "print(*[line.split()[1] for line in open('/proc/self/status') if line.startswith('VmHWM')]); sys.exit(code)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, timeout=300, check=True
    )
    said, kilobytes = done.stdout.splitlines()
    size = (tmp_path / "page.html").stat().st_size
    assert (said, done.stderr) == (f"page.html: {size / 1e6:.1f} MB", "")
    assert size < 10_000_000
    assert int(kilobytes) < 300_000
    opened = open_page((tmp_path / "page.html").read_bytes())
    kept = opened.text("#records-kept")
    assert re.match(r"[\d,]+ of 1,009,920 records shown: all 3,840 errors, [\d,]+ of 1,006,080 others\. ", kept)
    assert " of 11,520 tries shown" in opened.text("#timeline-shown")
    opened.page.get_by_label("Text").fill("row 7 scored")
    opened.page.locator("#filter-level").select_option("errors")
    opened.page.locator("#records-count").filter(has_text="that match, of").wait_for()
    assert opened.page.locator("#records-rows tr").count() == 50
    opened.check_quiet()
