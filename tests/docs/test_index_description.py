"""README.md as a package index shows it: its links lead somewhere from there, too."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from email import message_from_string
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SOURCE = "https://example.org/lab/softcpt"
BUILD = (
    "from setuptools import build_meta; print(build_meta.prepare_metadata_for_build_wheel('built'))"
)
LINK = re.compile(r"(!?)\[[^\]]*\]\(([^)\s]+)\)")


def copy_of_the_project(copy: Path) -> Path:
    """What metadata are made of."""
    (copy / "built").mkdir(parents=True)
    for name in ("setup.py", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, copy / name)
    ignored = shutil.ignore_patterns("assets", "__pycache__")
    shutil.copytree(ROOT / "softcpt", copy / "softcpt", ignore=ignored)
    for name in ("trainers", "datasets", "configs", "softcpt/assets"):
        (copy / name).symlink_to(ROOT / name)
    return copy


def built_description(copy: Path) -> str:
    """Build the metadata as pip does; the body of METADATA."""
    done = subprocess.run(
        [sys.executable, "-c", BUILD], cwd=copy, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    [metadata] = (copy / "built").glob("*.dist-info/METADATA")
    message = message_from_string(metadata.read_text(encoding="utf-8"))
    assert message["Description-Content-Type"] == "text/markdown"
    return message.get_payload()


@pytest.fixture(scope="module")
def without_source(tmp_path_factory):
    return built_description(copy_of_the_project(tmp_path_factory.mktemp("built") / "project"))


@pytest.fixture(scope="module")
def with_source(tmp_path_factory):
    copy = copy_of_the_project(tmp_path_factory.mktemp("built") / "project")
    settings = (copy / "pyproject.toml").read_text(encoding="utf-8")
    urls = "\n[project.urls]\n"
    assert settings.count(urls) == 1
    (copy / "pyproject.toml").write_text(
        settings.replace(urls, f'{urls}Source = "{SOURCE}/"\n'), encoding="utf-8"
    )
    return built_description(copy)


@pytest.mark.parametrize("built", ["without_source", "with_source"])
def test_no_link_needs_the_checkout(built, request):
    targets = [target for _, target in LINK.findall(request.getfixturevalue(built))]
    assert "https://arxiv.org/abs/2208.13474" in targets
    assert not [target for target in targets if not re.match(r"https?://|#", target)]


def test_without_a_repository_words_stay_and_pictures_go(without_source):
    assert "Each method's equation, options" in without_source
    assert "docs/methods.md. A method of your own is a file: CONTRIBUTING.md." in without_source
    assert not [target for image, target in LINK.findall(without_source) if image]


def test_links_lead_to_the_repository(with_source):
    links = LINK.findall(with_source)
    assert ("", f"{SOURCE}/blob/HEAD/docs/methods.md") in links
    assert ("!", f"{SOURCE}/raw/HEAD/docs/figures/method.svg") in links
    for _, target in links:
        path = re.match(rf"{re.escape(SOURCE)}/\w+/HEAD/([^#]+)", target)
        assert path is None or (ROOT / path[1]).exists(), target


@pytest.mark.parametrize("built", ["without_source", "with_source"])
def test_blocks_of_code_are_those_of_the_readme(built, request):
    blocks = re.compile(r"^```.*?^```", re.DOTALL | re.MULTILINE)
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    found = blocks.findall(request.getfixturevalue(built))
    assert found and found == blocks.findall(readme)
