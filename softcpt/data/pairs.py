"""Reads (image, label) pairs: lists of them, and data sets of torch and torchvision."""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from typing import Any

from softcpt.data.kept_images import kept_image
from softcpt.errors import UserError

Labels = list[tuple[Any, ...]]  # class names, or numbers, of each image


def are_pairs(source: Any) -> bool:
    """Whether ``source`` is a list of (image, label) pairs."""
    return (
        isinstance(source, Sequence)
        and not isinstance(source, (str, bytes))
        and len(source) > 0
        and all(_is_pair(one) for one in source)
    )


def _is_pair(one: Any) -> bool:
    # A list of two pairs is no pair.
    return (
        isinstance(one, (tuple, list)) and len(one) == 2 and not isinstance(one[0], (tuple, list))
    )


def is_dataset(source: Any) -> bool:
    """Whether ``source`` is a data set of torch: it has a length and is read by index."""
    return hasattr(source, "__getitem__") and hasattr(source, "__len__")


def read_pairs(source: Any) -> tuple[Labels, Callable[[int], str]]:
    """Labels, and each image's path, of a list of pairs or a data set of torch.

    Labels are taken from its ``targets``, if it has any, so that only images that are used are
    decoded. Without transforms, the files of torchvision's ``ImageFolder`` stay where they are.
    """
    if isinstance(source, (list, tuple)):
        return [labels_of(label) for _, label in source], lambda place: kept_image(source[place][0])
    targets = _targets(source)
    if targets is None:
        targets = [source[place][1] for place in range(len(source))]
    return [labels_of(label) for label in targets], lambda place: _path(source, place)


def class_names_of(source: Any) -> list[str]:
    """The class names that a data set of torch states itself; empty: none."""
    inner = source
    while not hasattr(inner, "classes"):
        if hasattr(inner, "dataset"):  # a Subset
            inner = inner.dataset
        elif getattr(inner, "datasets", None):  # a ConcatDataset
            inner = inner.datasets[0]
        else:
            return []
    return [str(name) for name in inner.classes]


def labels_of(label: Any) -> tuple[Any, ...]:
    """A label's classes: one, or those of an image that has several.

    Raises:
        UserError: it is neither a name nor a number.
    """
    if isinstance(label, str):
        return (label,)
    try:
        return (operator.index(label),)  # numbers of numpy and torch, too
    except TypeError:
        pass
    if isinstance(label, (list, tuple)):
        many = tuple(one for own in label for one in labels_of(own))
        return tuple(dict.fromkeys(many))
    raise UserError(
        f"label {label!r} of type {type(label).__name__}: neither name nor number of a class; "
        "give one"
    )


def numbered_labels(
    labels: Sequence[Labels], classes: Sequence[str], whole: str
) -> tuple[list[str], list[list[tuple[int, ...]]]]:
    """Class names in label order, and the labels of several parts as numbers.

    Args:
        labels: of the images of each part.
        classes: class names in label order; none: the names among the labels, sorted.
        whole: whose they are, for messages.

    Raises:
        UserError: labels are numbers and there are no class names, or one is no class.
    """
    found = {label for part in labels for own in part for label in own}
    if found and all(isinstance(label, int) for label in found):
        if not classes:
            raise UserError(
                f"{whole}: labels are numbers; give the names of the classes, classes=['rose', "
                "'tulip', ...], since prompts are made of them"
            )
        return list(classes), [[tuple(own) for own in part] for part in labels]
    if not all(isinstance(label, str) for label in found):
        raise UserError(f"{whole}: labels are both numbers and names; give either")
    names = list(classes) or sorted(found)
    unknown = sorted(found - set(names))
    if unknown:
        raise UserError(f"{whole}: label '{unknown[0]}' is none of classes; add it there")
    places = {name: label for label, name in enumerate(names)}
    return names, [[tuple(places[name] for name in own) for own in part] for part in labels]


def _targets(source: Any) -> Sequence[Any] | None:
    """Labels that a data set has in a list, without a look at its images."""
    if hasattr(source, "dataset") and hasattr(source, "indices"):  # a Subset
        inner = _targets(source.dataset)
        return None if inner is None else [inner[place] for place in source.indices]
    targets = getattr(source, "targets", None)
    if targets is None or _changes(source, "target_transform"):
        return None
    return targets if len(targets) == len(source) else None


def _path(source: Any, place: int) -> str:
    inner, at = source, place
    while hasattr(inner, "dataset") and hasattr(inner, "indices"):
        inner, at = inner.dataset, inner.indices[at]
    samples = getattr(inner, "samples", None)
    plain = not _changes(inner, "transform")
    if plain and isinstance(samples, list) and len(samples) == len(inner):
        return kept_image(samples[at][0])
    return kept_image(source[place][0])


def _changes(source: Any, name: str) -> bool:
    """Whether a data set of torchvision has the transform ``name``, or one of both image and
    label."""
    own, others = getattr(source, name, None), ("transform", "target_transform")
    joint = getattr(source, "transforms", None) is not None
    return own is not None or (joint and all(getattr(source, one, None) is None for one in others))
