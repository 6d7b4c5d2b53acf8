"""Reads what users of the library call data: names, folders, tables, lists, data sets of others."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from softcpt import plugins
from softcpt.data.catalog import catalogue
from softcpt.data.class_words import words
from softcpt.data.dassl_dataset import DatasetBase
from softcpt.data.dataset_names import registered_name
from softcpt.data.frame_table import FrameTable, is_frame
from softcpt.data.given_images import GivenImages, GivenTask, drawn_task
from softcpt.data.huggingface import (
    is_huggingface,
    is_saved,
    published_name,
    read_dataset,
    read_saved,
)
from softcpt.data.multitask import build_member
from softcpt.data.options import DataOptions
from softcpt.data.own_places import own_place, own_reader
from softcpt.data.pairs import (
    Labels,
    are_pairs,
    class_names_of,
    is_dataset,
    numbered_labels,
    read_pairs,
)
from softcpt.data.part_folders import PARTS
from softcpt.data.several_columns import tasks_of_columns
from softcpt.errors import UserError
from softcpt.utils.suggest import did_you_mean

UNNAMED = "image classification"  # what a task is called of which nobody says more


@dataclass(frozen=True)
class Asked:
    """What all sources are asked for.

    Attributes:
        options: what any data set is asked for; its ``root`` counts for data sets that are named.
        class_names: of images in memory, in label order; none: those that come with them.
        image_column, label_column: of a data set of Hugging Face; "": the one there is.
    """

    options: DataOptions
    class_names: Sequence[str] = ()
    image_column: str = ""
    label_column: str = ""


def named_sources(sources: Any) -> list[tuple[str, Any]]:
    """(task name, source) of each of ``sources``; "" where none is given."""
    if isinstance(sources, Mapping) and not _is_division(sources):
        return [(str(name), source) for name, source in sources.items()]
    if isinstance(sources, (list, tuple)) and not are_pairs(sources):
        return [("", source) for source in sources]
    return [("", sources)]


def read_source(source: Any, name: str, asked: Asked) -> Any:
    """One source as tasks and Dassl's image records: ``tasks``, ``train_x``, ``val``, ``test``.

    Args:
        source: see :func:`softcpt.data.task_data.load_data`.
        name: of its task, where it comes without one.
        asked: what is asked for.

    Raises:
        UserError: it is nothing that can be read.
    """
    if isinstance(source, str):
        return _of_word(source, name, asked)
    if isinstance(source, os.PathLike):
        return _of_place(Path(source), name, asked)
    if isinstance(source, DatasetBase):
        return source
    if is_frame(source):
        return FrameTable(source, asked.options, name or UNNAMED)
    columns = asked.options.label_columns
    if columns and is_huggingface(source):
        divided = isinstance(source, Mapping) and _is_division(source)
        parts = {PARTS[key.lower()]: own for key, own in source.items()} if divided else {}
        return tasks_of_columns(
            parts or {"all": source}, columns, asked.image_column, asked.options
        )
    if not isinstance(source, Mapping):
        part = _PartReader(asked)(source)
        return _given({"all": part}, name or part.called, asked)
    if not _is_division(source):
        raise UserError(
            f"data: a dictionary of {', '.join(map(str, source))} inside another; give all tasks "
            "in one"
        )
    reader = _PartReader(asked)
    parts = {PARTS[key.lower()]: reader(own) for key, own in source.items()}
    return _given(parts, name or parts["train"].called, asked)


def _is_division(source: Mapping[Any, Any]) -> bool:
    """Whether the keys are parts of one task's images: a DatasetDict, or a dictionary like one.

    Raises:
        UserError: they are, without training images or with one part twice.
    """
    parts = [PARTS.get(str(key).lower(), "") for key in source]
    if is_huggingface(source) and not all(parts):
        other = next(key for key, part in zip(source, parts) if not part)
        raise UserError(
            f"data set of Hugging Face: '{other}' is no part; give those that you mean, "
            f"{{'train': data['train'], 'test': data['{other}']}}"
        )
    if not parts or not all(parts):
        return False
    if "train" not in parts or len(set(parts)) < len(parts):
        raise UserError(
            f"data: a dictionary of {', '.join(source)}; of parts it has 'train' and any of 'val' "
            "and 'test', each once"
        )
    return True


def _of_word(word: str, name: str, asked: Asked) -> Any:
    """A data set by one of its names, else a path."""
    registered = registered_name(word)
    known = catalogue()
    if registered.partition(":")[0] in known:
        return build_member(registered, asked.options)
    if Path(word).expanduser().exists():
        return _of_place(Path(word), name, asked)
    reason = plugins.why_missing("datasets", word)
    if reason:
        raise UserError(f"data '{word}': {reason}")
    hint = did_you_mean(word, known, "`python -m softcpt data list` names the data sets")
    raise UserError(f"data '{word}': no data set, folder, archive or CSV file; {hint}")


def _of_place(place: Path, name: str, asked: Asked) -> Any:
    folder = place.expanduser()
    if folder.is_dir() and is_saved(folder):
        return read_source(read_saved(folder), name or words(folder.absolute().name), asked)
    own = own_place(place, "data")
    return build_member(own_reader(own), replace(asked.options, root=str(own)))


@dataclass(frozen=True)
class _Part:
    """Images of a part as they come, labels as names or numbers.

    Attributes:
        called: what their data set is called.
        class_names: that it states; none: it states none.
    """

    labels: Labels
    path: Callable[[int], str]
    class_names: Sequence[str]
    called: str


@dataclass(frozen=True)
class _PartReader:
    """Reads images in memory that are a part, or all."""

    asked: Asked

    def __call__(self, source: Any) -> _Part:
        if is_huggingface(source):
            columns = self.asked.image_column, self.asked.label_column
            labels, names, path = read_dataset(source, *columns)
            return _Part(labels, path, names, published_name(source) or UNNAMED)
        if isinstance(source, (list, tuple)):
            if source and not are_pairs(source):
                raise UserError(
                    f"data: a list that begins with {type(source[0]).__name__}; give (image, "
                    "label) pairs"
                )
            return _Part(*read_pairs(source), (), UNNAMED)
        if is_dataset(source):
            labels, path = read_pairs(source)
            return _Part(labels, path, class_names_of(source), _name_of(source))
        raise UserError(
            f"data of type {type(source).__name__}: it cannot be read; give a name, a folder, a "
            "CSV file, a table of pandas, (image, label) pairs, a data set of torch or Hugging Face"
        )


def _name_of(source: Any) -> str:
    """What the class of a data set of torch says: "CIFAR10", "OxfordIIITPet"."""
    inner = source
    while hasattr(inner, "dataset"):
        inner = inner.dataset
    plain = ("Dataset", "ImageFolder", "DatasetFolder", "ConcatDataset", "TensorDataset")
    called = type(inner).__name__
    return UNNAMED if called in plain else words(called)


def _given(parts: Mapping[str, _Part], name: str, asked: Asked) -> Any:
    first = next(iter(parts.values()))
    names = asked.class_names or first.class_names
    for part in parts.values():
        if not asked.class_names and list(part.class_names) != list(first.class_names):
            raise UserError(f"task '{name}': its parts have other classes; give classes=")
    labels = [part.labels for part in parts.values()]
    names, numbers = numbered_labels(labels, names, f"task '{name}'")
    images = {key: GivenImages(own, part.path) for own, (key, part) in zip(numbers, parts.items())}
    return drawn_task(GivenTask(name, names, images), asked.options)
