"""Prints the lowest versions that pyproject.toml allows, of the requirements and of what the tests
need, as lines for ``pip install -r``; CONTRIBUTING.md, "The lowest versions"."""

from __future__ import annotations

import re
from pathlib import Path

try:
    import tomllib
except ModuleNotFoundError:  # Python 3.10; pytest brings it
    import tomli as tomllib

project = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text())["project"]
for requirement in [*project["dependencies"], *project["optional-dependencies"]["test"]]:
    print(re.sub(r">=", "==", requirement))
