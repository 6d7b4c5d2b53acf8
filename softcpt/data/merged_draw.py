"""Reads SoftCPT's merged few-shot files: the drawn images of all tasks of General-10 or Plant-6."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from softcpt.data.folder_layout import Layout
from softcpt.data.published_draws import read_merged
from softcpt.data.split import Item, Split, refuse_outside
from softcpt.errors import UserError


def merged_draw(
    folder: Path, shots: int, seed: int, members: Sequence[type[Layout]]
) -> list[Split] | None:
    """The images of each of ``members`` in ``folder/split_fewshot_mt/shot_K-seed_S.pkl``; None:
    there is no such file.

    Args:
        folder: of the merged data set ("general10").
        shots: images per class; below 1: all, for which SoftCPT writes no file.
        seed: of the draw.
        members: the data sets in the order of their tasks.

    Raises:
        UserError: the file is unreadable, has another number of tasks, or images that belong to
            none of ``members``.
    """
    path = folder / "split_fewshot_mt" / f"shot_{shots}-seed_{seed}.pkl"
    if shots < 1 or not path.is_file():
        return None
    split = replace(read_merged(path), source=str(path.relative_to(folder.parent)))
    if len(split.class_names) != len(members):
        raise UserError(
            f"few-shot file {path}: {len(split.class_names)} tasks, and {len(members)} data sets "
            "are merged; delete the file, and each data set is drawn by itself"
        )
    return [_of_task(split, index, member, path) for index, member in enumerate(members)]


def _of_task(split: Split, task: int, member: type[Layout], path: Path) -> Split:
    def own(part: list[Item]) -> list[Item]:
        items = (item for item in part if item.task == task)
        return [Item(_below(item.path, member, path), 0, item.label) for item in items]

    train, val, test = own(split.train), own(split.val), own(split.test)
    refuse_outside((*train, *val, *test), f"few-shot file {path}")
    return Split(
        train,
        val,
        test,
        split.class_names[task : task + 1],
        split.task_names[task : task + 1],
        source=split.source,
    )


def _below(image: str, member: type[Layout], path: Path) -> str:
    """The path below the image folder of one on the machine that the file was written on."""
    place = "/".join(filter(None, (member.dataset_dir, member.image_dir)))
    _, found, below = f"/{image}".replace("\\", "/").rpartition(f"/{place}/")
    if not found:
        raise UserError(
            f"few-shot file {path}: its image {image} is in no folder {place} of data set "
            f"{member.name()}; delete the file, and each data set is drawn by itself"
        )
    return below
