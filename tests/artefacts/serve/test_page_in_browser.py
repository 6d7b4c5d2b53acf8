"""``softcpt serve`` as a user meets it: the command, its page in a real browser, and Ctrl-C."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import httpx
import numpy as np
import pytest
import torch
from PIL import Image

import softcpt
from tests.helpers.browser import chromium, drop_files
from tests.helpers.programs import NO_BROWSER
from tests.helpers.toy import WEIGHTS

pytestmark = [
    pytest.mark.slow,
    pytest.mark.browser,
    pytest.mark.skipif(bool(NO_BROWSER), reason=NO_BROWSER),
]
NASTY = "<img src=x onerror=window.harmed=1>"
TASKS = softcpt.TaskSet(
    [
        softcpt.Task("kinds of fruit", ["apple", NASTY, "plum"]),
        softcpt.Task("road signs", ["stop", "yield"]),
    ]
)


class Served:
    """The running command."""

    def __init__(self, folder: Path):
        self.q = softcpt.AdaptedClip(
            softcpt.build_prompter("SoftCPT", softcpt.load_clip(WEIGHTS), TASKS, n_ctx=2), "SoftCPT"
        )
        words = ["serve", self.q.save(folder / "artefact"), "--port", "0", "--max-mb", "2"]
        self.process = subprocess.Popen(
            [sys.executable, "-m", "softcpt", *map(str, words)],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.printed = ""
        while "http" not in self.printed:
            line = self.process.stdout.readline()
            assert line, self.printed
            self.printed += line
        self.address = re.search(r"http://127\.0\.0\.1:\d+", self.printed)[0]
        while True:
            try:
                httpx.get(f"{self.address}/health", trust_env=False).raise_for_status()
                break
            except httpx.TransportError:
                time.sleep(0.05)

    def peak_kb(self) -> int:
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(r"VmHWM:\s+(\d+)", status)[1])


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    torch.manual_seed(3)
    served = Served(tmp_path_factory.mktemp("served"))
    yield served
    if served.process.poll() is None:
        served.process.kill()


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Eight images, a text file, and one of 3 MB."""
    folder, generator = tmp_path_factory.mktemp("images"), np.random.default_rng(0)
    paths = []
    for number in range(8):
        paths.append(folder / f"{number}.png")
        pixels = generator.integers(0, 256, (60, 80, 3)).astype(np.uint8)
        Image.fromarray(pixels).save(paths[-1])
    (folder / "notes.txt").write_text("some lines of text\n")
    (folder / "large.png").write_bytes(bytes(3_000_000))
    return [*paths, folder / "notes.txt", folder / "large.png"]


@pytest.fixture(scope="module")
def driver():
    with chromium() as driver:
        yield driver


@pytest.fixture
def page(driver, server):
    driver.get(server.address)
    wait(driver, lambda: "ready" in driver.find_element("tag name", "body").get_attribute("class"))
    yield driver
    assert [entry["message"] for entry in driver.get_log("browser")] == []
    assert driver.execute_script("return window.harmed") is None


def wait(driver, condition):
    from selenium.webdriver.support.ui import WebDriverWait

    WebDriverWait(driver, 60).until(lambda _: condition())


def done(page, count: int) -> None:
    text = f"{count} images done"
    wait(page, lambda: page.find_element("id", "status").text == text)


def choose(page, task: str) -> None:
    from selenium.webdriver.support.ui import Select

    Select(page.find_element("id", "task")).select_by_visible_text(task)


def cards(page) -> list[dict]:
    """What is on them: name, classes with percentages, width of the bars, error."""
    return page.execute_script(
        "return [...document.querySelectorAll('li')].map((card) => ({"
        " name: card.querySelector('h2').textContent,"
        " tasks: [...card.querySelectorAll('h3')].map((node) => node.textContent),"
        " classes: [...card.querySelectorAll('dt')].map((node) => node.textContent),"
        " percent: [...card.querySelectorAll('dd b')].map((node) => node.textContent),"
        " bars: [...card.querySelectorAll('.filled')].map((node) =>"
        "   node.getBoundingClientRect().width / node.parentNode.getBoundingClientRect().width),"
        " error: card.querySelector('.error')?.textContent ?? null,"
        "}))"
    )


def test_ten_files_are_dropped_and_another_task_is_chosen(page, server, files):
    drop_files(page, page.find_element("id", "drop"), files)
    done(page, 10)
    found = cards(page)
    assert [card["name"] for card in found] == [path.name for path in files]
    assert found[8]["error"].startswith("is no image of a known kind")
    assert found[9]["error"] == "is larger than 2 MB; make it smaller"
    for task in (0, 1):
        choose(page, TASKS.names[task])
        done(page, 10)
        expected = server.q.predict(files[:8], task=TASKS.names[task], top=5)
        for card, several in zip(cards(page), expected):
            wanted = {one.label: 100 * one.probability for one in several}
            shown = [float(text.removesuffix(" %")) for text in card["percent"]]
            assert shown == sorted(shown, reverse=True)
            assert dict(zip(card["classes"], shown)) == pytest.approx(wanted, abs=0.11)
            assert [100 * bar for bar in card["bars"]] == pytest.approx(shown, abs=2)
    assert page.execute_script("return document.querySelectorAll('li img').length") == 8


def test_each_task_or_a_guess(page, server, files):
    drop_files(page, page.find_element("id", "drop"), files[:2])
    done(page, 2)
    choose(page, "each task")
    done(page, 2)
    assert [card["tasks"] for card in cards(page)] == [list(TASKS.names)] * 2
    choose(page, "guess the task")
    done(page, 2)
    guesses = server.q.predict(files[:2], task="auto")
    assert [card["tasks"] for card in cards(page)] == [[f"{g.task} (a guess)"] for g in guesses]
    assert "is a guess" in page.find_element("id", "note").text


def test_the_keyboard_is_enough(page, files):
    from selenium.webdriver import ActionChains, Keys

    def press(key):
        ActionChains(page).send_keys(key).perform()

    page.find_element("id", "files").send_keys("\n".join(map(str, files[:3])))
    done(page, 3)
    page.execute_script("document.querySelector('.close').focus()")
    press(Keys.ENTER)
    done(page, 2)
    assert page.switch_to.active_element.get_attribute("id") == "files"
    press(Keys.TAB)
    assert page.switch_to.active_element.get_attribute("id") == "task"
    press(Keys.ARROW_DOWN)
    press(Keys.TAB)
    done(page, 2)
    assert len(cards(page)[0]["classes"]) == 2
    press(Keys.TAB)
    press(Keys.SPACE)
    wait(page, lambda: cards(page) == [])


@pytest.mark.parametrize("width", [420, 1200])
def test_nothing_is_cut(page, files, width):
    page.set_window_size(width, 900)
    try:
        drop_files(page, page.find_element("id", "drop"), [files[0], files[8]])
        done(page, 2)
        assert page.execute_script("return document.documentElement.scrollWidth <= innerWidth")
        cut = "[...document.querySelectorAll('dt, dd, .error')].filter((n) => n.scrollWidth > "
        assert page.execute_script(f"return {cut} n.clientWidth + 1).length") == 0
    finally:
        page.set_window_size(1200, 1400)


def test_dark_where_the_system_is(page):
    def colours(scheme: str) -> list[str]:
        feature = [{"name": "prefers-color-scheme", "value": scheme}]
        page.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": feature})
        look = "const {backgroundColor, color} = getComputedStyle(document.body);"
        return page.execute_script(f"{look} return [backgroundColor, color]")

    light, dark = colours("light"), colours("dark")
    assert light[0] != dark[0] and light[1] != dark[1]


def test_fifty_megabytes_take_no_memory(server):
    def body():
        yield b'--x\r\nContent-Disposition: form-data; name="i"; filename="a.png"\r\n\r\n'
        for _ in range(50):
            yield bytes(1_000_000)
        yield b"\r\n--x--\r\n"

    before = server.peak_kb()
    with httpx.Client(base_url=server.address, trust_env=False, timeout=60) as client:
        for _ in range(3):
            form = {"content-type": "multipart/form-data; boundary=x"}
            answer = client.post("/predict", content=body(), headers=form)
            assert answer.status_code == 413 and "larger than 2 MB" in answer.json()["error"]
    assert server.peak_kb() - before < 12_000


def test_ctrl_c_ends_it_cleanly(server):
    server.process.send_signal(signal.SIGINT)
    printed, _ = server.process.communicate(timeout=60)
    assert (server.process.returncode, printed) == (0, "stopped\n")
