"""Reads the grid file, which says what is to be compared."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from softcpt import plugins
from softcpt.engine.images_flag import name_in_output
from softcpt.errors import UserError
from softcpt.utils.suggest import near_and_all
from softcpt.utils.typed import as_type, read_by, read_mapping
from softcpt.utils.yaml_file import ENDINGS, read_yaml

LAYOUT = "{dataset}/{method}/{config}_{shots}shots/seed{seed}"  # train.py's own
FOLDERS = {"grid file": "grids", "study file": "studies"}  # of the project's own, in configs/
BASE_TO_NEW_LAYOUT = "{part}/{data}/shots_{shots}/{method}/{config}/seed{seed}"  # CoCoOp's


def flat_settings(tree: Any, place: str, prefix: str = "") -> dict[str, Any]:
    """{"OPTIM.LR": 0.1}, also from {"OPTIM": {"LR": 0.1}}.

    Raises:
        UserError: it is no mapping; ``place`` says where it stands.
    """
    if not isinstance(tree, Mapping):
        raise UserError(f"{place}: a mapping is needed, as in {{OPTIM.LR: 0.002}}")
    leaves: dict[str, Any] = {}
    for key, value in tree.items():
        if isinstance(value, Mapping):
            leaves |= flat_settings(value, place, f"{prefix}{key}.")
        else:
            leaves[f"{prefix}{key}"] = value
    return leaves


@dataclass(frozen=True)
class GridEntry:
    """A method or a data set of the grid.

    Attributes:
        name: in tables and folders.
        of: the method, or the data set's configuration (a name in configs/datasets, or a file); "":
            as the name.
        config: of a method: its configuration (a name in configs/trainers/<trainer> or /shared, or
            a file) in place of the grid's.
        set: settings of its own.
        images: of data: your own images in its place, as of ``train.py --images``.
        task_names: of data with ``images``: as of ``train.py --task-names``.
        flags: of a method: more flags of train.py.
        shots, seeds: of a method: its own, in place of the grid's.
    """

    name: str
    of: str = ""
    config: str = ""
    set: Mapping[str, Any] = read_by(flat_settings, default_factory=dict)
    images: tuple[str, ...] = ()
    task_names: tuple[str, ...] = ()
    flags: tuple[str, ...] = ()
    shots: tuple[int, ...] = ()
    seeds: tuple[int, ...] = ()


def read_entries(value: Any, place: str) -> tuple[GridEntry, ...]:
    """Entries from names, or a mapping from names to what an entry has besides, or a list of both.

    Raises:
        UserError: a name stands twice, or an entry has an unknown key or a value of a wrong type.
    """
    found: list[GridEntry] = []
    for item in value if isinstance(value, list) else [value]:
        if not isinstance(item, Mapping):
            found += named_entries([as_type(str, item, place)])
            continue
        for name, tree in item.items():
            found.append(read_mapping(GridEntry, tree or {}, f"{place}: {name}", name=str(name)))
    names = [entry.name for entry in found]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise UserError(
            f"{place}: {', '.join(twice)} twice; give each a name of its own, as in CoOp-CS: "
            "{of: CoOp}"
        )
    return tuple(found)


def named_entries(names: Sequence[str]) -> tuple[GridEntry, ...]:
    """Entries of the command line; a file's name stands for its stem."""
    return tuple(
        GridEntry(Path(name).stem, name) if _is_file(name) else GridEntry(name) for name in names
    )


def images_entry(images: Sequence[str], task_names: Sequence[str] = ()) -> GridEntry:
    """The data of ``--images``, by the name that train.py gives them."""
    places = tuple(str(Path(given).expanduser().absolute()) for given in images)
    return GridEntry(name_in_output(images), images=places, task_names=tuple(task_names))


@dataclass(frozen=True)
class Grid:
    """What to run; the attributes are the grid file's keys.

    Attributes:
        methods: trainers, or methods by name ("SoftCPT-NATS").
        data: data sets.
        config: of all methods that name none; "{backbone}" in it is the backbone's name as in
            "rn50", "vit_b16".
        backbones: empty: the configuration's.
        shots: images per class; empty: the configuration's.
        seeds: of the runs.
        set: settings of all jobs.
        output: folder of all runs.
        layout: a run's folder below it; {data} {dataset} {method} {trainer} {config} {backbone}
            {shots} {seed} {mark} and {part} are replaced; {mark} tells settings of the command line
            apart.
        root: folder of all data sets.
        base_to_new: train on the first half of each task's classes, then test on the others.
        may_differ: settings in which methods may differ although all jobs should share them.
        workers: processes; 0: one per GPU, or one where there is none.
        slurm: parameters of submitit's executor, as {timeout_min: 240, slurm_partition: gpu}.
    """

    methods: tuple[GridEntry, ...] = read_by(read_entries, default=())
    data: tuple[GridEntry, ...] = read_by(read_entries, default=(GridEntry("emoji44"),))
    config: str = "tiny"
    backbones: tuple[str, ...] = ()
    shots: tuple[int, ...] = ()
    seeds: tuple[int, ...] = (1,)
    set: Mapping[str, Any] = read_by(flat_settings, default_factory=dict)
    output: str = "output"
    layout: str = ""
    root: str = ""
    base_to_new: bool = False
    may_differ: tuple[str, ...] = ()
    workers: int = 0
    slurm: Mapping[str, Any] = read_by(flat_settings, default_factory=dict)

    def folder_layout(self) -> str:
        """The layout, or the usual one."""
        return self.layout or (BASE_TO_NEW_LAYOUT if self.base_to_new else LAYOUT)


def read_grid(path: Path) -> Grid:
    """Read a grid file; configuration files in it are relative to it.

    Raises:
        UserError: the file is missing or not valid, or has an unknown key or a value of a wrong
            type.
    """
    grid = read_mapping(Grid, read_tree(path, "grid file"), f"grid file {path}")
    return replace(
        grid,
        methods=beside(grid.methods, path.parent),
        data=beside(grid.data, path.parent),
        config=file_beside(grid.config, path.parent),
    )


def read_tree(path: Path, what: str) -> Mapping[str, Any]:
    """The keys of a grid or study file; ``what`` it is called in messages.

    Raises:
        UserError: the file is missing or not valid.
    """
    if path.is_file():
        return read_yaml(path, what)
    raise UserError(f"{what} {path}: no such file; {_what_there_is(path.stem, what)}")


def named_file(word: str, what: str) -> Path:
    """The grid or study file of a command line, by its path or by its name in ``configs/grids``
    or ``configs/studies``.

    Args:
        word: "emoji44", "my_grid.yaml".
        what: of FOLDERS.

    Raises:
        UserError: a name that is none of the project's.
    """
    if _is_file(word) or Path(word).is_file():
        return plugins.config_path(Path(word).expanduser())
    names = plugins.config_names(FOLDERS[what])
    if word in names:
        return names[word]
    raise UserError(
        f"{what} {word}: there is none of that name; {_what_there_is(word, what)}, or give a path "
        "(.yaml)"
    )


def _what_there_is(word: str, what: str) -> str:
    return near_and_all(word, plugins.config_names(FOLDERS[what]))


def beside(entries: Sequence[GridEntry], folder: Path) -> tuple[GridEntry, ...]:
    """``entries`` with their files and images, if relative, in ``folder``."""
    return tuple(
        replace(
            entry,
            of=file_beside(entry.of, folder),
            config=file_beside(entry.config, folder),
            images=tuple(
                str((folder / Path(given).expanduser()).absolute()) for given in entry.images
            ),
        )
        for entry in entries
    )


def file_beside(name: str, folder: Path) -> str:
    """The absolute path of a file named relative to ``folder``; any other name as it is."""
    return str((folder / name).absolute()) if _is_file(name) else name


def _is_file(name: str) -> bool:
    return name.endswith(ENDINGS)
