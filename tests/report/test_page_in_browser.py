"""The HTML page in a real browser, opened from disk."""

from __future__ import annotations

from contextlib import contextmanager

import pytest

from softcpt.cli.main import main
from softcpt.intervals import wilson_of_mean
from tests.helpers.browser import chromium
from tests.helpers.programs import NO_BROWSER
from tests.helpers.synthetic_results import gram, np, run_of, with_more_figures, write

pytestmark = [pytest.mark.browser, pytest.mark.skipif(bool(NO_BROWSER), reason=NO_BROWSER)]
NASTY = "<img src=x onerror=window.harmed=1>"
TASKS = [NASTY, "pets", "flowers", "food & drink"]


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    folder = tmp_path_factory.mktemp("page")
    runs = []
    for index, method in enumerate(("CoOp", "KgCoOp", "SoftCPT")):
        for shots in (1, 2, 4):
            for seed in (1, 2):
                tasks = {
                    name: 40 + 5 * number + 3 * index + 2 * shots + 0.2 * seed * number
                    for number, name in enumerate(TASKS)
                }  # mean: 47.5 + 3 index + 2 shots + 0.3 seed
                contexts = {"tasks": TASKS, "gram": gram(np.random.default_rng(seed), 4)}
                if (method, shots, seed) != ("KgCoOp", 4, 2):
                    runs.append(
                        run_of(
                            method,
                            shots,
                            seed,
                            tasks,
                            zero_shot=dict.fromkeys(TASKS, 41.0),
                            contexts=contexts,
                            seconds=30.0 + 10 * index,
                        )
                    )
    equal = dict.fromkeys(TASKS, 50.0)
    runs += [run_of("CoOp", 4, 1, equal, classes=classes) for classes in ("base", "new")]
    runs.append(run_of("CoOp", dataset="Plant6", tasks=dict.fromkeys("abcdef", 60.0)))
    pets = {"cats": 45.0, "dogs": 100.0}
    seeds = [
        run_of("CoOp", seed=seed, dataset="Pets", tasks=pets, zero_shot=pets) for seed in (1, 2)
    ]
    runs += map(with_more_figures, seeds)
    write(folder / "out", *runs)
    main(["report", str(folder / "out"), "--to", str(folder), "--formats", "html"])
    return folder / "report.html"


@pytest.fixture(scope="module")
def browser():
    with chromium() as driver:
        yield driver


@pytest.fixture
def page(browser, path):
    browser.get(path.as_uri())
    yield Page(browser)
    assert [entry["message"] for entry in browser.get_log("browser")] == []


class Page:
    """What a reader sees and does."""

    def __init__(self, driver):
        self.driver = driver

    def js(self, code: str, *arguments):
        return self.driver.execute_script(code, *arguments)

    def all(self, selector: str):
        return self.driver.find_elements("css selector", selector)

    def section(self, title: str):
        return self.driver.find_element("xpath", f"//section[h2='{title}']")

    def column(self, title: str, number: int) -> list[str]:
        rows = self.section(title).find_elements("css selector", "tbody tr")
        return [row.find_elements("css selector", "th, td")[number].text for row in rows]

    def press(self, *keys: str) -> None:
        from selenium.webdriver import ActionChains
        from selenium.webdriver.common.keys import Keys

        chain = ActionChains(self.driver)
        for key in keys:
            chain.send_keys(getattr(Keys, key, key))
        chain.perform()

    def chip(self, name: str):
        return self.driver.find_element("xpath", f"//button[contains(@class, 'chip')][.='{name}']")

    def choose(self, label: str, option: str, title: str = "") -> None:
        from selenium.webdriver.support.ui import Select

        place = self.section(title) if title else self.driver
        box = place.find_element("xpath", f".//label[starts-with(., '{label}')]/select")
        Select(box).select_by_visible_text(option)

    def frame(self) -> None:
        """Until the browser has told the page that it scrolled: that moves or hides the tip."""
        self.js(
            "return new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))"
        )

    def tip(self) -> str:
        element = self.driver.find_element("id", "tip")
        return element.text if element.is_displayed() else ""


def test_it_opens_from_disk_without_asking_for_anything(page):
    assert page.driver.current_url.startswith("file://")
    assert page.js("return performance.getEntriesByType('resource').length") == 0
    assert [heading.text for heading in page.all("main h2")] == [
        "Few-shot curves",
        "Few-shot table",
        "Base and new classes",
        "Paired comparisons",
        "More figures",
        "Accuracy against cost",
        "Every task",
        "Relations of tasks",
        "Runs",
        "Settings and what is missing",
    ]
    assert "all under the same settings" in page.all("#summary")[0].text


def test_more_figures_have_a_row_for_every_number_of_shots(page):
    assert page.column("More figures", 1) == ["zero-shot", *["1-shot", "2-shot", "4-shot"] * 3]
    assert page.column("More figures", 2)[1] == "49.95 ± 0.15"
    assert set(page.column("More figures", 6)) == {"–"}  # files of older versions


def test_classes_and_what_they_are_taken_for(page):
    title = "Classes and confusions"
    assert title not in [heading.text for heading in page.all("main h2")]  # of older versions
    page.choose("Benchmark", "Pets · RN50")
    names = [f"class {number}" for number in range(10)]
    assert page.column(title, 0) == [*names, *names[5:], "class 4"]
    assert page.column(title, 1) == ["20"] * 10 + ["class 0"] * 6
    assert page.column(title, 2) == [*["20"] * 4, "10", *["0"] * 5, *["20"] * 5, "10"]
    page.choose("Of", "ZeroShot")
    assert page.column(title, 1)[:10] == ["10"] * 10  # one model, whatever the seeds
    page.js(
        "arguments[0].focus()", page.section(title).find_element("css selector", "thead button")
    )
    page.press("ENTER")
    page.press("ENTER")
    assert page.column(title, 0)[:2] == ["class 9", "class 8"]
    page.choose("Task", "dogs", title)
    assert page.column(title, 3) == ["100.00"] * 10
    assert "No image was taken for another class" in page.section(title).text
    with width(page, 400):
        assert page.js("return document.documentElement.scrollWidth <= innerWidth")
        assert page.js(CUT) == []


def test_zero_shot_has_an_interval_over_its_test_images(page):
    cells = page.section("Few-shot table").find_elements("css selector", "tbody td[title]")
    titles = [cell.get_attribute("title") for cell in cells]
    low, high = wilson_of_mean([(41, 100)] * 4)
    assert f"95 % interval over test images {low:.2f} to {high:.2f}" in titles


def test_names_are_text_and_never_markup(page):
    assert page.js("return window.harmed") is None
    assert not page.all("img")
    assert NASTY in page.column("Every task", 0)


def test_a_click_on_a_head_sorts_and_a_second_one_turns_the_order(page):
    title = "Few-shot table"
    page.section(title).find_element("xpath", ".//th[contains(., '2-shot')]/button").click()
    falling = page.column(title, 2)
    assert [text.split()[0] for text in falling] == ["57.95", "54.95", "51.95", "–"]
    assert page.section(title).find_elements("css selector", "th[aria-sort='descending']")
    page.press("ENTER")  # the head keeps the focus
    assert [text.split()[0] for text in page.column(title, 2)] == ["51.95", "54.95", "57.95", "–"]
    assert page.section(title).find_elements("css selector", "th[aria-sort='ascending']")


def test_a_method_is_hidden_and_shown_again_everywhere(page):
    assert "KgCoOp" in page.column("Few-shot table", 0)
    page.chip("KgCoOp").click()
    assert page.chip("KgCoOp").get_attribute("aria-pressed") == "false"
    for title in ("Few-shot table", "Paired comparisons"):
        assert "KgCoOp" not in page.column(title, 0)
    assert "KgCoOp" not in page.column("Runs", 0)
    assert not page.driver.find_elements("xpath", "//*[name()='text'][.='KgCoOp']")
    page.chip("KgCoOp").click()
    assert "KgCoOp" in page.column("Few-shot table", 0)


def test_a_chip_is_pressed_by_the_keyboard(page):
    page.js("arguments[0].focus()", page.chip("CoOp"))
    page.press("SPACE")
    assert page.chip("CoOp").get_attribute("aria-pressed") == "false"
    assert "CoOp" not in page.column("Few-shot table", 0)


def test_pointing_at_a_point_shows_its_runs(page):
    from selenium.webdriver import ActionChains

    point = page.driver.find_element("css selector", "[aria-label^='SoftCPT, 4-shot']")
    page.js("arguments[0].scrollIntoView({block: 'center'})", point)
    page.frame()
    ActionChains(page.driver).move_to_element(point).perform()
    tip = page.tip()
    assert (
        "SoftCPT, 4-shot" in tip
        and "61.95 ± 0.15" in tip
        and "95 % interval 60.04 to 63.86; 2 seeds" in tip
    )
    assert "seed 1: 61.80" in tip and "seed 2: 62.10" in tip and tip.count("results.json") == 2


def test_arrow_keys_walk_over_the_points(page):
    page.js("document.querySelector(\"[aria-label^='SoftCPT, 1-shot']\").focus()")
    assert "SoftCPT, 1-shot" in page.tip()
    page.press("ARROW_RIGHT")
    assert "SoftCPT, 2-shot" in page.tip()
    page.press("ARROW_DOWN")
    assert "KgCoOp, 2-shot" in page.tip()
    page.press("ESCAPE")
    assert page.tip() == ""


def test_only_one_point_of_a_chart_is_a_stop_for_tab(page):
    assert len(page.all("section:first-child svg .point[tabindex='0']")) == 1


def test_enter_on_a_point_lists_its_runs(page):
    page.js("document.querySelector(\"[aria-label^='KgCoOp, 4-shot']\").focus()")
    page.press("ENTER")
    assert set(page.column("Runs", 0)) == {"KgCoOp"}
    assert set(page.column("Runs", 1)) == {"4-shot"}


def test_a_point_without_all_seeds_is_hollow_and_its_cell_says_so(page):
    assert "hollow" in page.driver.find_element(
        "css selector", "[aria-label^='KgCoOp, 4-shot']"
    ).get_attribute("class")
    row = page.column("Few-shot table", 0).index("KgCoOp")
    assert page.column("Few-shot table", 3)[row].endswith("n=1")
    assert (
        "missing: KgCoOp, 4-shot: no whole result for seed 2"
        in page.section("Settings and what is missing").text
    )


def test_words_filter_tasks_and_runs(page):
    wanted = (
        ("Every task", "foo dri", ["food & drink"]),
        ("Runs", "softcpt 2-shot seed1", ["SoftCPT"]),
    )
    for title, words, expected in wanted:
        page.section(title).find_element("css selector", "input[type=search]").send_keys(words)
        assert page.column(title, 0) == expected


def test_a_tasks_name_shows_its_curves(page):
    page.driver.find_element("xpath", "//button[.='flowers']").click()
    assert page.section("Few-shot curves").find_elements(
        "xpath", ".//*[name()='text'][.='flowers, %']"
    )


def test_shots_classes_and_benchmark_can_be_chosen(page):
    before = page.column("Every task", 2)
    page.choose("Shots", "4-shot")
    page.choose("Classes", "new")
    assert page.column("Few-shot table", 0) == ["CoOp"]
    page.choose("Classes", "all")
    assert page.column("Every task", 2) == before
    page.choose("Benchmark", "Plant6 · RN50")
    assert "SoftCPT-NATA (published)" in page.column("Few-shot table", 0)


def test_base_and_new_have_a_harmonic_mean(page):
    assert page.column("Base and new classes", 3) == ["50.00"]


def test_paired_fields_explain_themselves(page):
    cell = page.section("Paired comparisons").find_element("css selector", "td.better")
    page.js("arguments[0].focus()", cell)
    page.frame()
    assert "95 % interval" in page.tip() and "p (Holm)" in page.tip()


def test_arrow_keys_walk_over_the_paired_fields(page):
    stops = page.section("Paired comparisons").find_elements("css selector", "td[tabindex='0']")
    assert len(stops) == 1
    page.js("arguments[0].focus()", stops[0])
    first = page.tip()
    page.press("ARROW_RIGHT")
    second = page.tip()
    page.press("ARROW_LEFT")
    assert first and second and first != second and page.tip() == first


def test_light_and_dark(page):
    def ground() -> str:
        return page.js("return getComputedStyle(document.body).backgroundColor")

    def ink() -> str:
        return page.js("return getComputedStyle(document.body).color")

    light = ground(), ink()
    page.driver.find_element("id", "theme").click()
    dark = ground(), ink()
    assert light == dark[::-1] or (light[0] != dark[0] and light[1] != dark[1])
    page.driver.find_element("id", "theme").click()
    assert (ground(), ink()) == light


@contextmanager
def width(page, pixels: int):
    page.driver.set_window_size(pixels, 900)
    page.frame()
    page.frame()  # the page draws again for the width it has
    try:
        yield
    finally:
        page.driver.set_window_size(1200, 1400)


# What lies beyond the right edge of the box that it stands in.
CUT = """
const inside = (node, box) => node.getBoundingClientRect().right <= box.right + 1;
const parts = [...document.querySelectorAll("main :is(th, td, text, button, select, li, p)")];
return parts
    .filter((node) => node.getClientRects().length)
    .filter((node) => !inside(node, node.closest("section").getBoundingClientRect()))
    .map((node) => node.textContent);
"""


@pytest.mark.parametrize("pixels", [500, 640, 659])
def test_nothing_is_cut_on_a_narrow_screen(page, pixels):
    page.choose("Benchmark", "Toy · RN50")
    with width(page, pixels):
        assert page.js("return document.documentElement.scrollWidth <= innerWidth")
        assert page.js(CUT) == []
        boxes = page.js(
            "return [...document.querySelectorAll('.scroll')]"
            ".filter((box) => box.scrollWidth > box.clientWidth + 1).map((box) => box.innerText)"
        )
        assert boxes == []


def test_a_narrow_chart_names_its_methods_below(page):
    with width(page, 500):
        items = page.section("Few-shot curves").find_elements("css selector", "ul.names li")
        assert [item.text for item in items] == ["ZeroShot", "CoOp", "KgCoOp", "SoftCPT"]
        assert not page.all("section:first-child svg .label")
    page.frame()
    page.frame()
    assert not page.all("ul.names")
    assert len(page.all("section:first-child svg .label")) == 4


def test_fields_of_a_table_that_does_not_fit_stand_under_their_heads(page):
    with width(page, 400):
        [row, *_] = page.section("Runs").find_elements("css selector", ".stacked tbody tr")
        [field, *_] = row.find_elements("css selector", "td[data-head='mean, %']")
        head = page.js("return getComputedStyle(arguments[0], '::before').content", field)
        assert head == '"mean, %"'
    assert not page.all(".stacked")
