"""Reads data sets of Hugging Face's package ``datasets``, from memory or a local folder."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

from softcpt import plugins
from softcpt.data.class_words import words
from softcpt.data.kept_images import kept_image
from softcpt.data.pairs import Labels, labels_of
from softcpt.errors import UserError, reason_of

# Names of what reads local files, which are no data set's.
_FILES = {"imagefolder", "parquet", "arrow", "csv", "json", "generator", "webdataset", "text"}


def is_huggingface(source: Any) -> bool:
    """Whether ``source`` is a ``datasets.Dataset``, an ``IterableDataset`` or a dictionary of
    these."""
    kinds = {f"{kind.__module__}.{kind.__name__}" for kind in type(source).__mro__}
    return bool(
        kinds
        & {
            "datasets.arrow_dataset.Dataset",
            "datasets.iterable_dataset.IterableDataset",
            "datasets.dataset_dict.DatasetDict",
            "datasets.dataset_dict.IterableDatasetDict",
        }
    )


def is_saved(folder: Path) -> bool:
    """Whether ``folder`` was written by ``save_to_disk``, or holds a data set as Parquet files."""
    if (folder / "dataset_dict.json").is_file() or (folder / "state.json").is_file():
        return True
    return any(next(folder.glob(pattern), None) for pattern in ("*.parquet", "data/*.parquet"))


def read_saved(folder: Path) -> Any:
    """The data set, or the dictionary of its parts, in ``folder``; nothing is downloaded.

    Raises:
        UserError: the package ``datasets`` is not installed, or it cannot read the folder.
    """
    library = huggingface_datasets(f"{folder} is a data set of Hugging Face")
    saved = (folder / "dataset_dict.json").is_file() or (folder / "state.json").is_file()
    try:
        return library.load_from_disk(str(folder)) if saved else library.load_dataset(str(folder))
    except Exception as error:  # whatever the package raises on damaged files
        reason = reason_of(error)
        raise UserError(
            f"{folder}: not a data set of Hugging Face ({reason}); save it again with save_to_disk"
        ) from error


def read_dataset(
    source: Any, image_column: str, label_column: str, gaps: bool = False
) -> tuple[Labels, list[str], Callable[[int], str]]:
    """Labels, class names ([]: it states none) and each image's path, of a ``datasets.Dataset``.

    Its formats and transforms do not count. Image files that are on disk stay where they are.

    Args:
        source: the data set.
        image_column: the column with images; "": the one of type Image.
        label_column: the column with labels; "": the one of type ClassLabel, else "label".
        gaps: a cell that is None, -1 or "" is no label, and its image has none.

    Raises:
        UserError: it is streamed, or has no such column, or several.
    """
    if not hasattr(source, "with_format") or not hasattr(source, "__len__"):
        raise UserError(
            "data set of Hugging Face: it is streamed; load it without streaming=True, or give "
            "[(row['image'], row['label']) for row in dataset.take(1000)]"
        )
    features = source.features
    image = image_column or _only(features, lambda one: _kind(one) == "Image", "image")
    label = label_column or _label_column(features)
    for column in (image, label):
        if column not in features:
            raise UserError(
                f"data set of Hugging Face: no column '{column}'; it has {', '.join(features)}"
            )
    plain = source.with_format(None)
    if _kind(features[image]) == "Image":
        plain = plain.cast_column(image, type(features[image])(decode=False))
    cells = plain.select_columns([label])[:][label]
    labels = [() if gaps and cell in (None, -1, "") else labels_of(cell) for cell in cells]
    return labels, _names(features[label]), lambda place: _path(plain[place][image])


def published_name(source: Any) -> str:
    """What a data set is called where it was published, in words; "": it is of local files."""
    name = getattr(getattr(source, "info", None), "dataset_name", None) or ""
    return "" if name in _FILES else words(name)


def _path(cell: Any) -> str:
    if isinstance(cell, dict):  # an image that is not decoded
        cell = cell["path"] if cell["bytes"] is None else cell["bytes"]
    return kept_image(cell)


def _kind(feature: Any) -> str:
    return type(feature).__name__


def _names(feature: Any) -> list[str]:
    """Class names of a ClassLabel, or of a list of these."""
    inner = getattr(feature, "feature", feature)
    return list(getattr(inner, "names", None) or ())


def _label_column(features: Any) -> str:
    if not any(map(_names, features.values())) and "label" in features:
        return "label"
    return _only(features, lambda one: bool(_names(one)), "label")


def _only(features: Any, fits: Callable[[Any], bool], what: str) -> str:
    found = [str(name) for name, feature in features.items() if fits(feature)]
    if len(found) == 1:
        return found[0]
    named = f"several {what} columns ({', '.join(found)})" if found else f"no {what} column"
    raise UserError(
        f"data set of Hugging Face: {named} among {', '.join(features)}; give {what}_column="
    )


def huggingface_datasets(why: str) -> ModuleType:
    """Hugging Face's package ``datasets``, imported now if it is not yet.

    In a checkout our own folder goes by that name, too. Hugging Face's package takes it then; the
    modules of ours stay what they are, and their folder is searched besides.

    Args:
        why: what it is needed for, for messages.

    Raises:
        UserError: it is not installed.
    """
    ours = sys.modules.get("datasets")
    if ours is not None and "load_from_disk" in vars(ours):
        return ours
    root, before = plugins.checkout(), list(sys.path)
    sys.path[:] = [entry for entry in before if Path(entry or ".").resolve() != root]
    sys.modules.pop("datasets", None)
    try:
        library = importlib.import_module("datasets")
        if "load_from_disk" not in vars(library):  # another folder of that name
            raise ImportError("datasets")
    except ImportError as error:
        sys.modules.pop("datasets", None)
        if ours is not None:
            sys.modules["datasets"] = ours
        raise UserError(
            f"{why}, and the package 'datasets' is not installed; pip install datasets"
        ) from error
    finally:
        sys.path[:] = before
    if ours is not None:
        library.__path__.extend(ours.__path__)
    return library
