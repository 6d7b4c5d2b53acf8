"""Offers what data set files written for CoOp's code call on its ``OxfordPets`` and
``DescribableTextures``.

Such a file drops into ``datasets/`` and imports the two classes; these are their static methods by
name, argument and result. Here as there, what is drawn comes from Python's global generator, which
Dassl seeds.
"""

from __future__ import annotations

import json
import os
import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import cast

from softcpt.data.datum import Datum, plain_record
from softcpt.data.image_files import class_folders
from softcpt.data.split import Item, read_split
from softcpt.data.split_rules import by_class, divide_ratio, divide_trainval
from softcpt.data.subsample import subsample
from softcpt.tasks import Task, TaskSet
from softcpt.utils.files import atomic_write

Images = list[Datum]
# The module has the methods of a generator: its own, which Dassl seeds.
_GLOBAL_GENERATOR = cast("random.Random", random)


class PetsHelpers:
    """Of ``OxfordPets``."""

    @staticmethod
    def read_split(filepath: str, path_prefix: str) -> tuple[Images, Images, Images]:
        """Training, validation and test images of a ``split_zhou_*.json``; paths follow
        ``path_prefix``."""
        split = read_split(Path(filepath))
        [names] = split.class_names

        def record(item: Item) -> Datum:
            path = os.path.join(path_prefix, item.path)
            return Datum(path, item.label, 0, names[item.label])

        return _records(record, split.train, split.val, split.test)

    @staticmethod
    def save_split(
        train: Images, val: Images, test: Images, filepath: str, path_prefix: str
    ) -> None:
        """Write a ``split_zhou_*.json`` with paths relative to ``path_prefix``."""
        parts = {}
        for part, items in (("train", train), ("val", val), ("test", test)):
            parts[part] = [
                [os.path.relpath(item.impath, path_prefix), item.label, item.classname]
                for item in items
            ]
        with atomic_write(filepath) as temporary:
            temporary.write_text(json.dumps(parts), encoding="utf-8")

    @staticmethod
    def split_trainval(trainval: Images, p_val: float = 0.2) -> tuple[Images, Images]:
        """Divide each class, the share ``p_val`` for validation."""
        items = [Item(str(index), 0, item.label) for index, item in enumerate(trainval)]
        train, val = divide_trainval(items, _GLOBAL_GENERATOR, p_val)
        return [trainval[int(item.path)] for item in train], [
            trainval[int(item.path)] for item in val
        ]

    @staticmethod
    def subsample_classes(*args: Images, subsample: str = "all") -> Sequence[Images]:
        """The first half of the classes of the first list ("base"), or the rest ("new"), in all
        lists, renumbered."""
        return args if subsample == "all" else _subsampled(args, subsample)


class TexturesHelpers:
    """Of ``DescribableTextures``."""

    @staticmethod
    def read_and_split_data(
        image_dir: str,
        p_trn: float = 0.5,
        p_val: float = 0.2,
        ignored: Sequence[str] = (),
        new_cnames: Mapping[str, str] | None = None,
    ) -> tuple[Images, Images, Images]:
        """Divide every class folder of ``image_dir``: shares for training and validation, the rest
        for testing."""
        found = class_folders(Path(image_dir)).items()
        folders = {name: paths for name, paths in found if name not in ignored}
        items: list[Item] = []
        for label, paths in enumerate(folders.values()):
            items += [Item(path, 0, label) for path in paths]
        train, val, test = divide_ratio(
            items, _GLOBAL_GENERATOR, by_class, f"folder {image_dir}", (p_trn, p_val)
        )
        shown = [(new_cnames or {}).get(name, name) for name in folders]

        def record(item: Item) -> Datum:
            path = os.path.join(image_dir, item.path)
            return plain_record(path, item.label, shown[item.label])

        return _records(record, train, val, test)


def _records(
    record: Callable[[Item], Datum],
    train: Iterable[Item],
    val: Iterable[Item],
    test: Iterable[Item],
) -> tuple[Images, Images, Images]:
    return list(map(record, train)), list(map(record, val)), list(map(record, test))


def _subsampled(lists: Sequence[Images], which: str) -> list[Images]:
    names = {item.label: item.classname for item in lists[0]}
    labels = {label: index for index, label in enumerate(sorted(names))}
    tasks = TaskSet([Task("all", tuple(names[label] for label in sorted(names)))])
    known = {}
    for index, items in enumerate(lists):
        known[str(index)] = [
            plain_record(item.impath, labels[item.label], item.classname)
            for item in items
            if item.label in labels
        ]
    chosen = subsample(tasks, known, which)[1].values()
    return [
        [plain_record(item.impath, item.label, item.classname) for item in items]
        for items in chosen
    ]
