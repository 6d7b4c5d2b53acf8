"""Reads several label columns of a data set of Hugging Face as tasks on the same images."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from softcpt.data.given_images import DrawnTask, GivenImages, GivenTask, drawn_task
from softcpt.data.huggingface import read_dataset
from softcpt.data.image_search import joined
from softcpt.data.multitask import merge
from softcpt.data.options import DataOptions
from softcpt.data.pairs import Labels, numbered_labels
from softcpt.errors import UserError


def tasks_of_columns(
    parts: Mapping[str, Any], columns: Sequence[str], image_column: str, options: DataOptions
) -> DrawnTask:
    """A task for each column, drawn by itself; an image that several draw is one record.

    A cell that is None, -1 or empty is no label. An image without any is not used.

    Args:
        parts: data sets by part, "train", "val" or "test"; or "all".
        columns: those of labels.
        image_column: that of the images; "": the one there is.
        options: what is asked for.

    Raises:
        UserError: there is no such column, or the images would be divided task by task.
    """
    if "all" in parts and options.draw_split:
        raise UserError(
            "data set of Hugging Face: with label_columns its images are not divided, as one could "
            "be trained on for one task and tested on for another; divide it "
            "(dataset.train_test_split(0.3, seed=1))"
        )
    drawn = [_task(parts, column, image_column, options) for column in columns]
    tasks, found = merge(drawn)
    whole = joined(found, tasks)
    return DrawnTask(tasks, whole["train"], whole["val"], whole["test"])


def _task(
    parts: Mapping[str, Any], column: str, image_column: str, options: DataOptions
) -> DrawnTask:
    name = column.replace("_", " ")
    labels: list[Labels] = []
    paths: list[Callable[[int], str]] = []
    class_names: list[str] = []
    for part in parts.values():
        own, names, path = read_dataset(part, image_column, column, gaps=True)
        if class_names and names and names != class_names:
            raise UserError(f"task '{name}': its parts have other classes; give them the same")
        class_names = names or class_names
        there = [place for place, label in enumerate(own) if label]
        # As in a CSV file a number that has no name is its own.
        labels.append([own[place] if names else tuple(map(str, own[place])) for place in there])
        paths.append(_of_places(path, there))
    names, numbers = numbered_labels(labels, class_names, f"task '{name}'")
    images = {key: GivenImages(own, path) for key, own, path in zip(parts, numbers, paths)}
    return drawn_task(GivenTask(name, names, images), options)


def _of_places(path: Callable[[int], str], places: Sequence[int]) -> Callable[[int], str]:
    """``path`` of the images at some places of a data set, counted from 0 again."""
    return lambda place: path(places[place])
