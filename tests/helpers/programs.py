"""Programs that some tests need, which pip cannot install; ``python -m tests.helpers.programs``
fails with one line where one is missing."""

from __future__ import annotations

import shutil
import sys

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
CHROMIUM = next(filter(None, map(shutil.which, NAMES)), None)
DRIVER = shutil.which("chromedriver")
NODE = shutil.which("node")
NO_BROWSER = "" if CHROMIUM and DRIVER else "no Chromium with its driver"
NO_NODE = "" if NODE else "no node"

if __name__ == "__main__":
    packages = []
    if NO_BROWSER:
        packages += ["chromium", "chromium-driver"]
    if NO_NODE:
        packages.append("nodejs")
    if packages:
        missing = ", ".join(filter(None, [NO_BROWSER, NO_NODE]))
        sys.exit(f"error: {missing}; apt-get install {' '.join(packages)}")
