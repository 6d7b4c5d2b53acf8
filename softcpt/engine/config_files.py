"""Finds configuration files, and reads them.

A file that would say nothing of its own need not be there. A trainer's settings,
``configs/trainers/<trainer>/<name>.yaml``, are then those that all trainers share,
``configs/trainers/shared/<name>.yaml``, or those that its name says
(softcpt/engine/config_names.py). A data set, ``configs/datasets/<name>.yaml``, is then the
registered one of that name.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from softcpt import plugins
from softcpt.data.dataset_names import config_names, registered_name
from softcpt.engine.config_names import SHARED, names_to_suggest, settings_of_name
from softcpt.engine.extension import trainer_alias
from softcpt.errors import UserError
from softcpt.utils.suggest import near_and_all
from softcpt.utils.yaml_file import ENDINGS, read_yaml


def read_config(path: str | Path) -> tuple[Path, Mapping[str, Any]]:
    """What the configuration file ``path`` says, and the file in which that is written.

    Raises:
        UserError: the file is missing and nothing stands for it, or it is no mapping of keys.
    """
    path = resolved(path)
    file = written_file(path)
    if file is not None:
        file = file.resolve()  # a base is relative to the file itself, not to a link to it
        return file, read_yaml(file, "config file")
    named = _settings_of_trainer_path(path)
    if named is not None:
        return path, named
    dataset = registered_dataset(path)
    if dataset is None:
        raise UserError(f"config file {path}: no such file; {_what_there_is(path)}")
    return path, {"DATASET": {"NAME": dataset}}


def resolved(path: str | Path) -> Path:
    """An absolute path without ``..`` and ``~``; a link keeps its name. ``configs/...`` may be the
    project's own."""
    path = plugins.config_path(Path(path).expanduser())
    return path.parent.resolve() / path.name


def written_file(path: Path) -> Path | None:
    """The file ``path``, or for one in a trainer's folder of configurations the one of its name
    that the trainer has under its own name, or the shared one; None: there is none."""
    if path.is_file():
        return path
    folder = path.parent.parent
    if folder.name != "trainers":
        return None
    for owner in (trainer_alias(path.parent.name).trainer, SHARED):
        if (folder / owner / path.name).is_file():
            return folder / owner / path.name
    return None


def _settings_of_trainer_path(path: Path) -> Mapping[str, Any] | None:
    """What the name of ``configs/trainers/<trainer>/<name>.yaml`` says; None: it is no such path,
    or says nothing."""
    folder = path.parent.parent
    is_one = folder.name == "trainers" and path.suffix in ENDINGS
    if not is_one or not (folder / SHARED / "clip.yaml").is_file():
        return None
    return settings_of_name(path.stem, trainer_alias(path.parent.name).trainer)


def registered_dataset(path: Path) -> str | None:
    """The registered name of the data set that ``configs/datasets/<name>.yaml`` is of; None: it is
    no such path, or of no data set."""
    return config_names().get(path.stem) if _is_of_datasets(path) else None


def trainer_config(name: str, trainer: str) -> Path:
    """The path of a trainer's configuration by its name, or any file by its path.
    :func:`read_config` reads it.

    Raises:
        UserError: there is none.
    """
    named = name.endswith(ENDINGS) or Path(name).is_file()
    path = resolved(name if named else _configs() / "trainers" / trainer / f"{name}.yaml")
    file = written_file(path)
    if file is not None:
        return file
    if _settings_of_trainer_path(path) is not None:
        return path
    if named:
        raise UserError(f"config file {path}: no such file; {_what_there_is(path)}")
    raise UserError(
        f"config {name}: {trainer} has none of that name; {near_and_all(name, _stems(path))}"
    )


def dataset_config(name: str) -> Path:
    """The path of a data set's configuration by its name in ``configs/datasets`` or any other of
    its names, or any file by its path. :func:`read_config` reads it.

    Raises:
        UserError: there is none.
    """
    named = name.endswith(ENDINGS) or Path(name).is_file()
    path = resolved(name if named else _configs() / "datasets" / f"{name}.yaml")
    if path.is_file() or registered_dataset(path) is not None:
        return path
    registered = registered_name(name)
    for stem, known in config_names().items():
        if known == registered:
            return path.with_name(f"{stem}.yaml")
    missing = f"data {name}: no file {path}" if named else f"data {name}: there is none of it"
    raise UserError(f"{missing}; {_what_there_is(path)}")


def _configs() -> Path:
    return plugins.folder("configs").resolve()


def _is_of_datasets(path: Path) -> bool:
    """Whether ``path`` would be in a folder ``configs/datasets`` that there is."""
    folder = path.parent
    named = folder.name == "datasets" and folder.parent.name == "configs"
    return named and folder.is_dir() and path.suffix in ENDINGS


def _what_there_is(path: Path) -> str:
    """What may be meant by a path to no file, in words."""
    known = sorted(set(_stems(path)))
    if not known:
        return f"those of this project are in {_configs()}"
    return near_and_all(path.stem, known)


def _stems(path: Path) -> Iterator[str]:
    """Names that might stand in the place of ``path``'s."""
    folders = [path.parent]
    if path.parent.parent.name == "trainers":
        folders.append(path.parent.parent / SHARED)
        yield from names_to_suggest()
    for folder in folders:
        yield from (file.stem for file in sorted(folder.glob("*.yaml")))
    if _is_of_datasets(path):
        yield from config_names()
