"""Tables with a column of labels for each task: which columns these are, and what a line says."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from softcpt.data.split import Split
from softcpt.errors import UserError
from softcpt.utils.suggest import near_and_all

IMAGE_COLUMNS = ("path", "image")
_LEAST = 8  # images of which each may well have a class of its own


def label_columns(columns: Sequence[str], chosen: Sequence[str], place: str) -> tuple[str, ...]:
    """The columns that are tasks; none: the table has a line per label (``path,label``).

    Those that were chosen; else, in a table without ``label`` and ``task``, all that are neither
    the image nor its split, if these are several.

    Args:
        columns: of the table.
        chosen: ``DATASET.LABEL_COLUMNS``.
        place: the table, for messages.

    Raises:
        UserError: a chosen one is not there, or is the image or its split.
    """
    free = [name for name in columns if name and name not in (*IMAGE_COLUMNS, "split")]
    for name in chosen:
        if name not in free:
            known = near_and_all(name, free) if free else "it has no column of labels"
            raise UserError(
                f"{place}: DATASET.LABEL_COLUMNS names no column of labels '{name}'; {known}"
            )
    if chosen:
        return tuple(dict.fromkeys(chosen))
    return () if {"label", "task"} & set(columns) or len(free) == 1 else tuple(free)


def line_per_label(line: Mapping[str, str], columns: Sequence[str]) -> Iterator[dict[str, str]]:
    """What a line of ``columns`` would be as one line per label (``path,label,split,task``); with a
    path and no label none."""
    path = line.get("path") or line.get("image", "")
    split = {"split": line["split"]} if "split" in line else {}
    given = [(name, line[name]) for name in columns if line[name]]
    for name, label in given or ([] if path else [("", "")]):
        yield {"path": path, "label": label, "task": name, **split}


def refuse_names(labels: Mapping[str, Sequence[str]], place: str) -> None:
    """Refuse columns of ``labels``, by column a class for each labelled image, that are no labels:
    empty ones, and those in which no two of many images have the same.

    Raises:
        UserError: naming the column.
    """
    for name, found in labels.items():
        if not found:
            raise UserError(
                f"{place}: column '{name}' is empty; fill it in, or name the columns of labels "
                "with DATASET.LABEL_COLUMNS"
            )
        if len(found) >= _LEAST and len(set(found)) == len(found):
            raise UserError(
                f"{place}: column '{name}' has another value for each of {len(found):,} images, so "
                "it is no task; name the columns of labels with DATASET.LABEL_COLUMNS"
            )


def refuse_other_labels(now: Split, then: Split, path: Path) -> None:
    """Refuse a split that was drawn when images had other labels: these are filled in one by one.

    Args:
        now: the table's labels, whatever its parts.
        then: the split that was drawn.
        path: its file.

    Raises:
        UserError: an image that is in both has other labels now.
    """
    before, after = _by_image(then), _by_image(now)
    other = next(
        (image for image in after if before.get(image, after[image]) != after[image]), None
    )
    if other is not None:
        raise UserError(
            f"{path}: labels changed since this split was drawn (the first is of {other}); delete "
            "it to draw a new one"
        )


def _by_image(split: Split) -> dict[str, dict[str, str]]:
    """By path the class in each task."""
    found: dict[str, dict[str, str]] = {}
    for item in (*split.train, *split.val, *split.test):
        name = split.task_names[item.task] if len(split.class_names) > 1 else ""
        found.setdefault(item.path, {})[name] = split.class_names[item.task][item.label]
    return found
