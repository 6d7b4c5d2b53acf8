"""Source distribution and wheel are built, installed, and used far from the checkout."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import tarfile
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]
# Of a folder where somebody works.
LEFT_BEHIND = {"build", "dist", "output", "report", "data", "shared"}
BUILD = """
import sys
from setuptools import build_meta
print(getattr(build_meta, sys.argv[1])(sys.argv[2]))
"""
DATASET = '''
"""Squares of three colours, as a data set of CoOp's code base is written."""

from pathlib import Path

from dassl.data.datasets import DATASET_REGISTRY, DatasetBase, Datum
from PIL import Image

from .dtd import DescribableTextures  # a neighbour in the package


@DATASET_REGISTRY.register()
class Squares(DatasetBase):
    dataset_dir = "squares"

    def __init__(self, cfg):
        folder = Path(cfg.DATASET.ROOT).absolute() / self.dataset_dir
        parts = {part: self.images(folder, part) for part in ("train_x", "val", "test")}
        super().__init__(**parts)

    def images(self, folder, part):
        items = []
        for label, name in enumerate(("red", "green", "blue")):
            path = folder / part / f"{name}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.new("RGB", (64, 64), name).save(path)
            items.append(Datum(str(path), label, classname=name))
        return items
'''
# An environment without matplotlib: Python runs this file at its start.
WITHOUT_MATPLOTLIB = "import sys; sys.modules['matplotlib'] = None"


def run(folder: Path, *words: str | Path, status: int = 0) -> str:
    """What a command that ends with ``status`` prints; it sees nothing of the checkout."""
    hidden = ("PYTHONPATH", "PYTHONHOME")
    environment = {name: value for name, value in os.environ.items() if name not in hidden}
    ended = subprocess.run(
        list(map(str, words)), cwd=folder, env=environment, capture_output=True, text=True
    )
    assert ended.returncode == status, ended.stderr
    return ended.stderr if status else ended.stdout


def not_copied(folder: str, names: list[str]) -> set[str]:
    """What a build needs not, of a folder in the checkout."""
    at_top = LEFT_BEHIND if Path(folder) == ROOT else set()
    hidden = {name for name in names if name.startswith(".") or name.endswith(".egg-info")}
    return at_top | hidden | {"__pycache__"}


@pytest.fixture(scope="module")
def sources(tmp_path_factory):
    """The unpacked source distribution."""
    folder = tmp_path_factory.mktemp("sdist")
    shutil.copytree(ROOT, folder / "copy", ignore=not_copied)
    name = run(folder / "copy", sys.executable, "-c", BUILD, "build_sdist", folder).split()[-1]
    with tarfile.open(folder / name) as archive:
        archive.extractall(folder, filter="data")
    return folder / name.removesuffix(".tar.gz")


@pytest.fixture(scope="module")
def programs(sources, tmp_path_factory):
    """The programs of an environment with the wheel that the source distribution makes, and with
    this environment's other packages but matplotlib."""
    folder = tmp_path_factory.mktemp("wheel")
    wheel = run(sources, sys.executable, "-c", BUILD, "build_wheel", folder).split()[-1]
    environment = folder / "environment"
    run(folder, sys.executable, "-m", "venv", "--without-pip", environment)
    python = environment / "bin/python"
    run(
        folder,
        sys.executable,
        "-m",
        "pip",
        "--python",
        python,
        "install",
        "--no-deps",
        "--no-index",
        folder / wheel,
    )
    [packages] = environment.glob("lib/python*/site-packages")
    (packages / "others.pth").write_text(sysconfig.get_path("purelib"))
    (packages / "sitecustomize.py").write_text(WITHOUT_MATPLOTLIB)
    return environment / "bin"


@pytest.fixture(scope="module")
def trained(programs, tmp_path_factory):
    """A folder that holds one file of the user's, a data set, and a run on it."""
    folder = tmp_path_factory.mktemp("far-away")
    (folder / "datasets").mkdir()
    (folder / "datasets/squares.py").write_text(DATASET)
    train(folder, programs, "--output-dir", "output/one", "OPTIM.MAX_EPOCH", "1")
    return folder


def train(folder: Path, programs: Path, *more: str) -> str:
    words = ("--trainer", "CoOp", "--root", ".", *more, "DATASET.NAME", "Squares")
    return run(folder, programs / "softcpt", "train", *words)


def test_it_is_the_installed_package_that_runs(programs, tmp_path):
    code = "import softcpt.plugins as p; print(p.checkout(), p.folder('configs'))"
    where = run(tmp_path, programs / "python", "-c", code)
    assert where.startswith(f"None {programs.parent}")
    assert run(tmp_path, programs / "softcpt", "--version").startswith("softcpt ")


def test_a_dropped_in_data_set_is_trained_on_and_tested(trained, programs):
    result = json.loads((trained / "output/one/results.json").read_text())
    told = train(
        trained, programs, "--eval-only", "--model-dir", "output/one", "--output-dir", "tested"
    )
    again = json.loads((trained / "tested/results.json").read_text())
    assert again["tasks"] == result["tasks"] and "Squares" in told


def test_a_report_is_written_without_matplotlib(trained, programs):
    told = run(trained, programs / "softcpt", "report", "output")
    assert "pip install matplotlib" in told
    page = (trained / "report/report.md").read_text()
    assert "Figure left out" in page and "![" not in page
    assert (trained / "report/report.html").is_file()
    assert not (trained / "report/figures").exists()


def test_what_comes_with_the_project_is_found_by_name(programs, tmp_path):
    softcpt = programs / "softcpt"
    few = ("--methods", "SoftCPT-NATS", "--shots", "1", "--seeds", "1")
    assert "SoftCPT-NATS" in run(tmp_path, softcpt, "grid", "emoji44", "--list", *few)
    studies = run(tmp_path, softcpt, "transfer", "transfer21", status=2)
    assert "did you mean 'transfer12'? There are transfer12, transfer_elevater20" in studies
    flags = ("--config-file", "rn50_ep50", "--dataset-config-file", "emoji44", "--show-config")
    assert "MAX_EPOCH: 50" in run(tmp_path, softcpt, "train", *flags)
    paths = (
        *("--config-file", "configs/trainers/SoftCPT/rn50_ep50.yaml"),
        *("--dataset-config-file", "configs/datasets/general10.yaml"),
    )
    told = run(tmp_path, softcpt, "train", *paths, "--show-config")
    assert "MAX_EPOCH: 50" in told and "NAME: General10" in told
    assert not list(tmp_path.iterdir())


def test_the_source_distribution_is_a_checkout(sources, programs, tmp_path):
    told = run(
        sources,
        *(programs / "python", "train.py", "--trainer", "ZeroshotCLIP"),
        *("--output-dir", tmp_path / "out", "DATASET.SUBSAMPLE_TASKS", "task0,task1"),
    )
    assert "accuracy" in told and (tmp_path / "out/results.json").is_file()
    for name in ("scripts", "docs/README.md", "tests/conftest.py", "tools", "MANIFEST.in"):
        assert (sources / name).exists()
