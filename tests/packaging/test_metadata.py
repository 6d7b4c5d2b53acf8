"""What pyproject.toml says, against what the code says and imports."""

from __future__ import annotations

import ast
import re
from importlib import metadata
from itertools import chain
from pathlib import Path

from packaging.requirements import Requirement

from softcpt.utils.requirements import OLDEST_PYTHON, REQUIRED

try:
    import tomllib
except ModuleNotFoundError:  # Python 3.10; pytest brings it
    import tomli as tomllib

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
EXTRAS = PROJECT["optional-dependencies"]
# What an installed Dassl needs, which is no requirement of ours.
OF_DASSL = {"wilds"}


def name_of(requirement: str) -> str:
    """ "pyyaml" of "PyYAML>=6.0"."""
    return re.split(r"[^\w.-]", requirement)[0].lower().replace("_", "-")


def strings(file: Path) -> list[str]:
    """All strings in a module, with ``{}`` for what is put into them."""
    found = []
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            found.append(node.value)
        elif isinstance(node, ast.JoinedStr):
            parts = [part.value if isinstance(part, ast.Constant) else "{}" for part in node.values]
            found.append("".join(map(str, parts)))
    return found


def test_the_requirements_are_those_whose_absence_is_explained():
    assert sorted(map(name_of, PROJECT["dependencies"])) == sorted(map(name_of, REQUIRED.values()))
    assert PROJECT["requires-python"] == ">=" + ".".join(map(str, OLDEST_PYTHON))
    of_module = metadata.packages_distributions()
    for module, package in REQUIRED.items():
        assert name_of(package) in map(name_of, of_module[module])


def test_every_hint_names_what_an_extra_installs():
    known = {name_of(line) for lines in EXTRAS.values() for line in lines} | OF_DASSL
    files = [
        file
        for name in ("softcpt", "trainers", "datasets")
        for file in ROOT.glob(name + "/**/*.py")
    ]
    hints = [
        hint
        for file in files
        for text in strings(file)
        for hint in re.findall(r"pip install ([^\s`,;)]+)", text)
    ]
    named = {hint for hint in hints if hint not in ("{}", "-e")}
    assert {"matplotlib", "tensorboard", "h5py", "kagglehub"} <= named <= known


def test_pages_install_extras_that_there_are():
    pages = [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob(".github/**/*.yml")]
    text = "\n".join(page.read_text(encoding="utf-8") for page in [*pages, ROOT / "Makefile"])
    asked = {
        name
        for group in re.findall(r"pip install.*\[([\w,-]+)\]", text)
        for name in group.split(",")
    }
    assert "test" in asked and asked <= set(EXTRAS)


def test_a_bound_says_the_lowest_version_only():
    for line in chain(PROJECT["dependencies"], *EXTRAS.values()):
        assert re.fullmatch(r"[\w.-]+>=[\d.]+|types-PyYAML|softcpt\[[\w,]+\]", line), line


def test_the_locked_versions_are_within_the_bounds_and_name_no_host():
    lines = (ROOT / "requirements/ci.lock").read_text(encoding="utf-8").splitlines()[1:]
    locked = dict(line.split("==") for line in lines)
    wanted = [*PROJECT["dependencies"], *EXTRAS["test"]]
    for requirement in map(Requirement, wanted):
        if requirement.name != "softcpt":
            assert requirement.specifier.contains(locked[name_of(requirement.name)])
    assert "/" not in "".join(lines)
