"""Names of data sets: the registered one, that in ``configs/datasets``, that file's path, and
ELEVATER's."""

from __future__ import annotations

from pathlib import Path

from softcpt import plugins
from softcpt.data.elevater_tasks import elevater_task
from softcpt.utils.yaml_file import ENDINGS


def config_names() -> dict[str, str]:
    """Name in ``configs/datasets`` -> registered name, of all data sets.

    That name is the one of the file that registers the data set ("dtd", of datasets/dtd.py). Of
    several in one file each has its registered name in small letters ("elevater12").
    """
    by_file: dict[str, list[str]] = {}
    for name, file in _files_of_registered().items():
        by_file.setdefault(file, []).append(name)
    found = {}
    for stem, names in by_file.items():
        if len(names) == 1:
            found[stem] = names[0]
        else:
            found.update({name.lower(): name for name in names})
    return found


def registered_name(name: str) -> str:
    """The registered name of a data set by any of its names.

    These are the registered one in any capitals, ELEVATER's ("oxford-iiit-pets"), that in
    ``configs/datasets`` ("oxford_pets") and a path there ("configs/datasets/oxford_pets.yaml"), in
    this order: "dtd" is ELEVATER's, "configs/datasets/dtd.yaml" CoOp's. What stands behind ":"
    stays ("ImageFolder:my_flowers"), and so does a name of no data set.
    """
    word, colon, place = name.partition(":")
    registered = _files_of_registered()
    if word not in registered:
        word = _other_name(word, {known.lower(): known for known in registered})
    return f"{word}{colon}{place}"


def _other_name(word: str, by_lower: dict[str, str]) -> str:
    path = Path(word)
    if path.suffix in ENDINGS and path.parent.name == "datasets":
        return config_names().get(path.stem, word)
    if word.lower() in by_lower:
        return by_lower[word.lower()]
    task = elevater_task(word)
    return task.name if task else config_names().get(word, word)


def _files_of_registered() -> dict[str, str]:
    """Registered name -> name of the file that registers it."""
    plugins.load("datasets")
    from dassl.data.datasets import DATASET_REGISTRY

    return {
        name: DATASET_REGISTRY.get(name).__module__.rpartition(".")[2]
        for name in sorted(DATASET_REGISTRY.registered_names(), key=str.lower)
    }
