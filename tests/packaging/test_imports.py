"""Each module that the code imports is a stated requirement, and each requirement is of use."""

from __future__ import annotations

import ast
import importlib.util
import sys
from collections.abc import Iterator
from functools import cache
from importlib import metadata
from pathlib import Path

import pytest

from tests.packaging.test_metadata import EXTRAS, OF_DASSL, PROJECT, ROOT, name_of

OWN = {"softcpt", "trainers", "datasets", "tests", "tools", "dassl"}
PACKAGE = ("softcpt", "trainers", "datasets")
# What is imported and comes with a requirement that cannot do without it.
BROUGHT = {
    "anyio": "starlette",
    "griffelib": "mkdocstrings-python",
    "huggingface-hub": "open-clip-torch",
    "nbformat": "nbclient",
    "packaging": "pytest",
    "pymdown-extensions": "mkdocs-material",
    "starlette": "fastapi",
    "tomli": "pytest",
    "typing-extensions": "torch",
}
# Not needed: benchmarks/decode.py compares decoders that may be there.
OPTIONAL = {"cv2", "simplejpeg"}
# What is used without an import: programs, and what other packages look for.
UNIMPORTED = {
    "datasets": "softcpt/data/huggingface.py imports it by name, past the folder of that name",
    "ipykernel": "runs the notebook",
    "mkdocs-material": "mkdocs.yml",
    "mkdocstrings-python": "mkdocs.yml",
    "mypy": "make check",
    "onnx": "torch.onnx writes through it",
    "onnxscript": "torch.onnx writes through it",
    "pandas": "data sets of Hugging Face and tables are turned into it in the tests",
    "pytest-cov": "CONTRIBUTING.md",
    "pytest-xdist": "make test",
    "ruff": "make check",
    "setuptools": "setup.py, tests/packaging",
    "tensorboard": "torch.utils.tensorboard",
    "types-pyyaml": "mypy",
}


@cache
def imported(folder: str) -> set[str]:
    """First names of the modules that the files of a folder import."""
    return {name for file in ROOT.glob(f"{folder}/**/*.py") for name in imported_by(file)}


def imported_by(file: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            yield str(node.module).partition(".")[0]


def packages(*folders: str) -> set[str]:
    """Packages of others that the files of some folders import."""
    beside = {path.stem for folder in ("tools", "benchmarks") for path in ROOT.glob(f"{folder}/*")}
    of_module = metadata.packages_distributions()
    found = {module for folder in folders for module in imported(folder)}
    modules = found - OWN - beside - OPTIONAL - set(sys.stdlib_module_names)
    return {name_of(of_module.get(module, [module])[0]) for module in modules}


def stated(*extras: str) -> set[str]:
    lines = [*PROJECT["dependencies"], *(line for extra in extras for line in EXTRAS[extra])]
    return {name_of(line) for line in lines} - {"softcpt"}


def required_by(package: str) -> set[str]:
    """What a package needs without extras; of one that is not installed nothing can be said."""
    try:
        lines = metadata.requires(package) or []
    except metadata.PackageNotFoundError:
        pytest.skip(f"{package} is not installed")
    return {name_of(line) for line in lines if "extra ==" not in line}


def test_what_the_package_imports_is_stated():
    of_users = set(EXTRAS) - {"build", "docs", "test", "test-all"}
    assert packages(*PACKAGE) - stated(*of_users) - OF_DASSL - BROUGHT.keys() == set()


# What an environment with the test extra alone has not got: its modules cannot be told apart.
WITH_ALL = pytest.mark.skipif(
    importlib.util.find_spec("mkdocs") is None, reason="the docs extra is not installed"
)


@WITH_ALL
def test_what_tests_and_tools_import_is_stated():
    assert packages("tests", "tools", "benchmarks") - stated(*EXTRAS) - BROUGHT.keys() == set()


def test_what_is_stated_is_used():
    used = packages(*PACKAGE, "tests", "tools", "benchmarks")
    assert stated(*EXTRAS) - used == {*UNIMPORTED}


@pytest.mark.parametrize("name", [name for name in BROUGHT if name != "tomli"])
def test_what_comes_with_a_requirement_does(name):
    assert name in required_by(BROUGHT[name])


@WITH_ALL
def test_the_tables_of_exceptions_are_needed():
    everything = packages(*PACKAGE, "tests", "tools", "benchmarks")
    assert BROUGHT.keys() - everything - {"tomli"} == set()
    assert imported("benchmarks") >= OPTIONAL
