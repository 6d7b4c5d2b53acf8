"""The grid file: what is to be compared."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, TypeVar

import yaml

from softcpt.errors import UserError

Read = TypeVar("Read")

LAYOUT = "{dataset}/{method}/{config}_{shots}shots/seed{seed}"  # train.py's own
BASE_TO_NEW_LAYOUT = "{part}/{data}/shots_{shots}/{method}/{config}/seed{seed}"  # CoCoOp's


@dataclass(frozen=True)
class Entry:
    """A method or a data set of the grid.

    Attributes:
        name: in tables and folders.
        of: the method, or the data set's configuration (a name in configs/datasets, or a file); "":
            as the name.
        config: of a method: its configuration (a name in configs/trainers/<trainer> or /shared, or
            a file) in place of the grid's.
        set: settings of its own.
        flags: of a method: more flags of train.py.
        shots, seeds: of a method: its own, in place of the grid's.
    """

    name: str
    of: str = ""
    config: str = ""
    set: Mapping[str, Any] = field(default_factory=dict)
    flags: tuple[str, ...] = ()
    shots: tuple[int, ...] = ()
    seeds: tuple[int, ...] = ()


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

    methods: tuple[Entry, ...] = ()
    data: tuple[Entry, ...] = (Entry("emoji44"),)
    config: str = "tiny"
    backbones: tuple[str, ...] = ()
    shots: tuple[int, ...] = ()
    seeds: tuple[int, ...] = (1,)
    set: Mapping[str, Any] = field(default_factory=dict)
    output: str = "output"
    layout: str = ""
    root: str = ""
    base_to_new: bool = False
    may_differ: tuple[str, ...] = ()
    workers: int = 0
    slurm: Mapping[str, Any] = field(default_factory=dict)

    def folder_layout(self) -> str:
        """The layout, or the usual one."""
        return self.layout or (BASE_TO_NEW_LAYOUT if self.base_to_new else LAYOUT)


def read_grid(path: Path) -> Grid:
    """Read a grid file; configuration files in it are relative to it.

    Raises:
        UserError: the file is missing or not valid, or has an unknown key or a value of a wrong
            type.
    """
    return read_keys(Grid, path)


def read_keys(kind: type[Read], path: Path) -> Read:
    """A dataclass from a yaml file with its fields as keys; configuration files in it are relative
    to it.

    Raises:
        UserError: the file is missing or not valid, or has an unknown key or a value of a wrong
            type.
    """
    if not path.is_file():
        raise UserError(
            f"{kind.__name__.lower()} file {path}: no such file; configs/grids/ and "
            "configs/studies/ hold those "
            "of this project"
        )
    try:
        tree = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    except yaml.YAMLError as error:
        raise UserError(
            f"{kind.__name__.lower()} file {path}: not valid yaml "
            f"({' '.join(str(error).split())}); mend the "
            "file"
        ) from error
    found = _build(kind, tree, f"{kind.__name__.lower()} file {path}")
    beside = _beside if isinstance(found.data, str) else _placed
    return replace(
        found,
        methods=_placed(found.methods, path.parent),
        config=_beside(found.config, path.parent),
        data=beside(found.data, path.parent),
    )


def entries(names: Sequence[str]) -> tuple[Entry, ...]:
    """Entries of the command line; a file's name stands for its stem."""
    return tuple(Entry(Path(name).stem, name) if _is_file(name) else Entry(name) for name in names)


def _placed(found: Sequence[Entry], folder: Path) -> tuple[Entry, ...]:
    return tuple(
        replace(entry, of=_beside(entry.of, folder), config=_beside(entry.config, folder))
        for entry in found
    )


def _beside(name: str, folder: Path) -> str:
    return str((folder / name).absolute()) if _is_file(name) else name


def _is_file(name: str) -> bool:
    return name.endswith((".yaml", ".yml"))


def _build(kind: type, tree: Any, place: str, **given: Any) -> Any:
    """A dataclass from a mapping of its fields."""
    if not isinstance(tree, Mapping):
        raise UserError(f"{place}: a mapping is needed, as in {{shots: [1, 2, 4]}}")
    known = {entry.name: entry for entry in fields(kind)}
    values = dict(given)
    for key, value in tree.items():
        key = str(key)
        if key not in known or key in given:
            near = difflib.get_close_matches(key, set(known) - set(given), 1)
            there = (
                f"did you mean '{near[0]}'?"
                if near
                else f"there are {', '.join(set(known) - set(given))}"
            )
            raise UserError(f"{place}: unknown key '{key}'; {there}")
        values[key] = _value(str(known[key].type), value, f"{place}: {key}")
    return kind(**values)


def _value(kind: str, value: Any, place: str) -> Any:
    """``value`` as a field's type, which is given by its annotation."""
    if kind == "tuple[Entry, ...]":
        return _entries(value, place)
    if kind.startswith("tuple"):
        items = value if isinstance(value, list) else [value]
        return tuple(_single(kind[6:].split(",", maxsplit=1)[0], item, place) for item in items)
    if kind.startswith("Mapping"):
        return _flat(value, place)
    return _single(kind, value, place)


def _single(kind: str, value: Any, place: str) -> Any:
    wanted = {"int": int, "str": str, "bool": bool}[kind]
    if value is None and wanted is str:
        return ""
    if type(value) is int and wanted is str:
        return str(value)
    if type(value) is not wanted:
        raise UserError(
            f"{place} is {value!r}; its type is {kind}: give one, or a list where several can be "
            "meant"
        )
    return value


def _entries(value: Any, place: str) -> tuple[Entry, ...]:
    """Names, or a mapping from names to what an entry has besides, or a list of both."""
    items = value if isinstance(value, list) else [value]
    found: list[Entry] = []
    for item in items:
        if isinstance(item, Mapping):
            found += [
                _build(Entry, tree or {}, f"{place}: {name}", name=str(name))
                for name, tree in item.items()
            ]
        else:
            found += entries([_single("str", item, place)])
    names = [entry.name for entry in found]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise UserError(
            f"{place}: {', '.join(twice)} twice; give each a name of its own, as in CoOp-CS: {{of: CoOp}}"
        )
    return tuple(found)


def _flat(tree: Any, place: str, prefix: str = "") -> dict[str, Any]:
    """{"OPTIM.LR": 0.1}, also from {"OPTIM": {"LR": 0.1}}."""
    if not isinstance(tree, Mapping):
        raise UserError(f"{place}: a mapping is needed, as in {{OPTIM.LR: 0.002}}")
    leaves: dict[str, Any] = {}
    for key, value in tree.items():
        leaves |= (
            _flat(value, place, f"{prefix}{key}.")
            if isinstance(value, Mapping)
            else {f"{prefix}{key}": value}
        )
    return leaves
