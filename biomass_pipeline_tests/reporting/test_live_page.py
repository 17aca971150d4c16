"""The report in a real browser, opened from the disk: asked by mouse and by keyboard."""

import shutil

import pytest

from biomass_pipeline.reporting import make_report, sections
from biomass_pipeline_tests.reporting.test_page import FIGURES, Survey, dot

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
pytestmark = [
    pytest.mark.e2e,
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="needs Debian's chromium"),
]
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"]


@pytest.fixture(scope="module")
def browser():
    playwright = pytest.importorskip("playwright.sync_api", reason="needs playwright")
    with playwright.sync_playwright() as engine:
        opened = engine.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield opened
        opened.close()


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        for figure in (*FIGURES, "residual_figure"):
            patch.setattr(sections, figure, dot)
        report = make_report(Survey(known={"Height_Ave_cm": [float(i) for i in range(40)]}).inputs)
    path = tmp_path_factory.mktemp("report") / "report.html"
    path.write_text(report.page, encoding="utf-8")
    return path


@pytest.fixture
def page(browser, file):
    """The page with its charts drawn; what it asked for or complained of fails the test."""
    tab = browser.new_page(viewport={"width": 1200, "height": 900})
    asked, wrong = [], []
    tab.on("request", lambda request: asked.append(request.url))
    tab.on("pageerror", lambda error: wrong.append(str(error)))
    tab.on("console", lambda said: said.type == "error" and wrong.append(said.text))
    tab.goto(file.as_uri())
    tab.wait_for_selector("#scatter svg")
    tab.wait_for_selector("#residuals svg")
    yield tab
    tab.close()
    assert wrong == []
    assert [url for url in asked if not url.startswith("data:")] == [file.as_uri()]


def test_the_keyboard_steps_through_photos_and_opens_one(page):
    page.locator("#scatter").focus()
    page.keyboard.press("ArrowRight")
    said = page.locator("#scatter-said").inner_text()
    page.keyboard.press("Enter")

    title = page.locator("#photo-title").inner_text()
    assert said.startswith(f"1 of 40: {title}: measured")
    assert page.locator("#photo-numbers tr").count() == 1
    page.keyboard.press("Escape")
    assert not page.locator("#photo").is_visible()


def test_a_click_on_a_point_opens_its_photo(page):
    page.locator("#scatter svg .mark-symbol path").nth(3).dispatch_event("click")

    assert page.locator("#photo").is_visible()
    assert page.locator("#photo-title").inner_text().startswith("photo_")
    assert page.locator("#photo-image img").get_attribute("src").startswith("data:image/webp")


def test_another_column_and_another_model_are_drawn(page):
    before = page.locator("#residuals svg").inner_html()
    page.select_option("select[data-choice=along]", label="Height_Ave_cm")
    page.wait_for_function(
        "document.querySelector('#residuals svg').textContent.includes('Height_Ave_cm')"
    )
    page.locator("select[data-choice=model]").first.select_option("ridge")

    assert page.locator("#residuals svg").inner_html() != before
    assert page.locator("select[data-choice=model]").last.input_value() == "ridge"


def test_colours_follow_the_screen_while_it_is_open(page):
    label = "#scatter svg .role-axis-title text"
    light = page.locator(label).first.get_attribute("fill")
    page.emulate_media(color_scheme="dark")
    page.wait_for_function(
        "fill => document.querySelector('#scatter svg .role-axis-title text')"
        "?.getAttribute('fill') !== fill",
        arg=light,
    )


def test_the_table_of_photos_is_sorted_by_what_is_asked(page):
    page.locator("details:has(#every-photo) summary").click()
    page.locator("button[data-sort=id]").click()

    assert page.locator("#every-photo tr").count() == 40
    assert page.locator("#every-photo button").first.inner_text() == "photo_0"
    assert page.locator("th[aria-sort=ascending]").inner_text() == "Photo"


def test_paper_has_the_still_figures_and_no_controls(page):
    page.emulate_media(media="print")

    assert not page.locator("#scatter").is_visible()
    assert page.locator("img.still").first.is_visible()


def test_nothing_sticks_out_of_a_narrow_screen(page):
    page.set_viewport_size({"width": 400, "height": 800})
    page.wait_for_timeout(300)

    assert page.evaluate("document.documentElement.scrollWidth") <= 400
