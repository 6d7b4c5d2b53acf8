"""A headless Chromium, and files that are dropped onto a page."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.helpers.programs import CHROMIUM, DRIVER


@contextmanager
def chromium(width: int = 1200, height: int = 1400) -> Iterator[Any]:
    """A driver of selenium; what the page writes to its console is kept."""
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for flag in (
        "--headless=new",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-dev-shm-usage",
        "--no-proxy-server",
        f"--window-size={width},{height}",
    ):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(DRIVER))
    try:
        yield driver
    finally:
        driver.quit()


def drop_files(driver: Any, target: Any, paths: Sequence[Path]) -> None:
    """Drop files onto an element, as from a file manager."""
    chooser = driver.execute_script(
        "const node = Object.assign(document.createElement('input'), {type: 'file'});"
        "node.multiple = true; document.body.append(node); return node;"
    )
    chooser.send_keys("\n".join(map(str, paths)))
    driver.execute_script(
        "const dataTransfer = new DataTransfer();"
        "for (const file of arguments[0].files) dataTransfer.items.add(file);"
        "arguments[0].remove();"
        "for (const kind of ['dragenter', 'dragover', 'drop'])"
        "  arguments[1].dispatchEvent(new DragEvent(kind, {dataTransfer, bubbles: true,"
        "    cancelable: true}));",
        chooser,
        target,
    )
