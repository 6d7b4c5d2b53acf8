"""Merges any data sets into one multi-task data set."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

from softcpt.data.dassl_dataset import DATASET_REGISTRY, DatasetBase, TaskedDataset
from softcpt.data.dataset_names import registered_name
from softcpt.data.datum import Datum, ImageDatum, all_labels
from softcpt.data.merged_draw import merged_draw
from softcpt.data.split import Split
from softcpt.data.subsample import subsample
from softcpt.errors import UserError
from softcpt.tasks import Task, TaskSet
from softcpt.utils.suggest import did_you_mean


class MultiTaskDataset(TaskedDataset):
    """Registered data sets merged: tasks in the order of ``members``, classes counted through.

    ``DATASET.TASKS`` takes the place of ``members``, ``DATASET.TASK_NAMES`` of their tasks' names.
    An entry is a registered name or one of ELEVATER ("cifar-10"), or ``Name:folder`` for one that
    lies in ``folder`` (absolute, or below ``DATASET.ROOT``): "ImageFolder:my_flowers". A member may
    have several tasks of its own. Each is drawn from the same seed by itself, so its images are
    those of a single-task run.

    Where SoftCPT left a file with the images of all ``members``,
    ``dataset_dir/split_fewshot_mt/shot_K-seed_S.pkl`` below the root, these are the images.

    Attributes:
        members: names of the data sets.
        dataset_dir: SoftCPT's folder of the whole ("general10"); "": it has none.

    Raises:
        UserError: no members, one that is not registered, or two tasks of the same name.
    """

    members: ClassVar[tuple[str, ...]] = ()

    def __init__(self, cfg: Any) -> None:
        names = tuple(cfg.DATASET.get("TASKS", ())) or self.members
        if not names:
            raise UserError(
                "DATASET.TASKS: empty; give names of data sets, as "
                "\"['OxfordPets', 'DescribableTextures']\""
            )
        if cfg.DATASET.get("TASK_NAME", ""):
            raise UserError(
                "DATASET.TASK_NAME: there are several tasks; put a task_name.txt into each one's "
                "folder, or give DATASET.TASK_NAMES"
            )
        called = tuple(cfg.DATASET.get("TASK_NAMES", ())) or ("",) * len(names)
        if len(called) != len(names):
            raise UserError(
                f"DATASET.TASK_NAMES: {len(called)} names of tasks for {len(names)} data sets; "
                "give one for each, '' for those that keep theirs"
            )
        drawn = self._merged_draw(names, cfg)
        self.dataset_dir = cfg.DATASET.ROOT
        members = [
            build_member(name, cfg, drawn[index] if drawn else None, called[index])
            for index, name in enumerate(names)
        ]
        tasks, parts = merge(members)
        super().__init__(
            *subsample(tasks, parts, which_tasks=cfg.DATASET.get("SUBSAMPLE_TASKS", "all"))
        )

    def _merged_draw(self, names: tuple[str, ...], cfg: Any) -> list[Split] | None:
        if not self.dataset_dir or names != self.members:
            return None
        folder = Path(cfg.DATASET.ROOT).expanduser().absolute() / self.dataset_dir
        return merged_draw(
            folder, cfg.DATASET.NUM_SHOTS, cfg.SEED, [DATASET_REGISTRY.get(name) for name in names]
        )


def build_member(
    name: str, cfg: Any, given: Split | None = None, task_name: str = ""
) -> DatasetBase:
    """The data set of an entry of ``DATASET.TASKS``, with all its tasks; ``given`` its images by
    part, already drawn; ``task_name`` in place of its task's own.

    Raises:
        UserError: no data set of that name is registered.
    """
    registered, _, place = name.partition(":")
    registered = registered_name(registered)
    known = DATASET_REGISTRY.registered_names()
    if registered not in known:
        hint = did_you_mean(registered, known, "`python -m softcpt data list` names all")
        raise UserError(f"DATASET.TASKS: no data set '{registered}'; {hint}")
    member = cfg.clone()
    member.defrost()
    member.DATASET.NAME = registered
    member.DATASET.update(
        {"TASKS": (), "TASK_NAMES": (), "TASK_NAME": task_name, "SUBSAMPLE_TASKS": "all"}
    )
    if place:
        member.DATASET.ROOT = str(Path(cfg.DATASET.ROOT, place).expanduser().absolute())
    member.freeze()
    kind = DATASET_REGISTRY.get(registered)
    return kind(member) if given is None else kind(member, given)


def merge(datasets: Sequence[DatasetBase]) -> tuple[TaskSet, dict[str, list[Datum]]]:
    """The tasks of all ``datasets`` and their images by part, labels and domains counted through.

    A data set without ``tasks``, as written for CoOp's code, is one task named after its class.
    """
    own = [_tasks(dataset) for dataset in datasets]
    tasks = TaskSet(list(itertools.chain(*own)))
    parts: dict[str, list[Datum]] = {"train": [], "val": [], "test": []}
    first = 0  # index of the data set's first task
    for dataset, group in zip(datasets, own):
        places = [group.to_local(label) for label in range(group.num_classes)]
        for part, items in zip(parts.values(), (dataset.train_x, dataset.val or [], dataset.test)):
            for item in items:
                task = places[item.label][0]
                label, *others = (
                    tasks.to_global(first + task, places[label][1]) for label in all_labels(item)
                )
                part.append(ImageDatum(item.impath, label, first + task, item.classname, others))
        first += len(group)
    return tasks, parts


def _tasks(dataset: DatasetBase) -> TaskSet:
    tasks = getattr(dataset, "tasks", None)
    return tasks or TaskSet([Task(type(dataset).__name__, dataset.classnames)])
