"""Merges any data sets into one multi-task data set."""

from __future__ import annotations

import itertools
import logging
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

from softcpt.data.dassl_dataset import DATASET_REGISTRY, DatasetBase, TaskedDataset
from softcpt.data.dataset_names import registered_name
from softcpt.data.datum import Datum, ImageDatum, all_labels
from softcpt.data.folder_layout import Layout
from softcpt.data.merged_draw import merged_draw
from softcpt.data.options import DataOptions
from softcpt.data.same_images import print_tested_elsewhere
from softcpt.data.split import Split
from softcpt.data.subsample import subsample
from softcpt.errors import UserError
from softcpt.tasks import Task, TaskSet
from softcpt.utils.suggest import did_you_mean

_log = logging.getLogger(__name__)


class MultiTaskDataset(TaskedDataset):
    """Registered data sets merged: tasks in the order of ``members``, classes counted through.

    ``DATASET.TASKS`` takes the place of ``members``, ``DATASET.TASK_NAMES`` of their tasks' names.
    An entry is a registered name or one of ELEVATER ("cifar-10"), or ``Name:folder`` for one that
    lies in ``folder`` (absolute, or below ``DATASET.ROOT``): "ImageFolder:my_flowers". A member may
    have several tasks of its own. Each is drawn from the same seed by itself, so its images are
    those of a single-task run. Keywords are ``members`` and ``task_names``, and those of every data
    set (:class:`softcpt.data.options.DataOptions`).

    With ``DATASET.ON_MISSING`` "skip-tasks", members whose folder is not there or empty are left
    out, which is printed; the others must be whole.

    Where SoftCPT left a file with the images of all ``members``,
    ``dataset_dir/split_fewshot_mt/shot_K-seed_S.pkl`` below the root, these are the images.

    Attributes:
        members: names of the data sets.
        dataset_dir: SoftCPT's folder of the whole ("general10"); "": it has none.

    Raises:
        UserError: no members, one that is not registered or not there, or two tasks of the same
            name.
    """

    members: ClassVar[tuple[str, ...]] = ()

    def __init__(self, cfg: Any = None, **options: Any) -> None:
        asked = DataOptions.of(cfg, options, type(self).__name__)
        names = asked.members or self.members
        if not names:
            raise UserError(
                "DATASET.TASKS: empty; give names of data sets, as "
                "\"['OxfordPets', 'DescribableTextures']\""
            )
        if asked.task_name:
            raise UserError(
                "DATASET.TASK_NAME: there are several tasks; put a task_name.txt into each one's "
                "folder, or give DATASET.TASK_NAMES"
            )
        called = asked.task_names or ("",) * len(names)
        if len(called) != len(names):
            raise UserError(
                f"DATASET.TASK_NAMES: {len(called)} names of tasks for {len(names)} data sets; "
                "give one for each, '' for those that keep theirs"
            )
        names, called = self._at_hand(names, called, asked)
        drawn = self._merged_draw(names, asked)
        self.dataset_dir = asked.root
        members = [
            build_member(name, asked, drawn[index] if drawn else None, called[index])
            for index, name in enumerate(names)
        ]
        super().__init__(*subsample(*merge(members), which_tasks=asked.tasks))

    def _at_hand(
        self, names: tuple[str, ...], called: tuple[str, ...], asked: DataOptions
    ) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """The members that have a folder, and what their tasks are to be called.

        Raises:
            UserError: some have none, and ``DATASET.ON_MISSING`` is not "skip-tasks"; or none has.
        """
        absent = {name: error for name in names if (error := missing_folder(name, asked))}
        if not absent:
            return names, called
        listed = ", ".join(absent)
        if asked.on_missing != "skip-tasks" or len(absent) == len(names):
            if len(absent) == 1:
                [error] = absent.values()
                more = "; DATASET.ON_MISSING skip-tasks leaves it out" if len(names) > 1 else ""
                raise UserError(f"{error}{more}")
            kind = type(self).__name__ if self.members else " ".join(absent)
            raise UserError(
                f"data set {type(self).__name__}: {len(absent)} of {len(names)} data sets have no "
                f"folder in {asked.root}: {listed}; `python -m softcpt data get {kind} --root "
                f"{asked.root}` brings them, or prints what to do; DATASET.ON_MISSING skip-tasks "
                "leaves out those that are not there"
            )
        _log.info(
            f"{type(self).__name__}: {len(absent)} of {len(names)} data sets are not there and are "
            f"left out (DATASET.ON_MISSING skip-tasks): {listed}"
        )
        kept = [(name, own) for name, own in zip(names, called) if name not in absent]
        return tuple(name for name, _ in kept), tuple(own for _, own in kept)

    def _merged_draw(self, names: tuple[str, ...], asked: DataOptions) -> list[Split] | None:
        if not self.dataset_dir or names != self.members:
            return None
        folder = Path(asked.root).expanduser().absolute() / self.dataset_dir
        members = [DATASET_REGISTRY.get(name) for name in names]
        return merged_draw(folder, asked.shots, asked.seed, members)


def missing_folder(name: str, asked: DataOptions) -> UserError | None:
    """What is wrong with the folder of an entry of ``DATASET.TASKS``; None: it is there, or its
    class does not say where it lies."""
    registered, _, place = name.partition(":")
    registered = registered_name(registered)
    if not asked.root or registered not in DATASET_REGISTRY.registered_names():
        return None
    kind = DATASET_REGISTRY.get(registered)
    if not issubclass(kind, Layout):
        return None
    try:
        folder = kind.find_folder(_root(place, asked))
    except UserError as error:
        return error
    # A download that failed leaves an empty folder.
    if folder.is_dir() and all(path.name.startswith(".") for path in folder.iterdir()):
        return UserError(
            f"data set {registered}: nothing is in {folder}; `python -m softcpt data get "
            f"{registered} --root {asked.root}` downloads it, or prints what to do"
        )
    return None


def _root(place: str, asked: DataOptions) -> str:
    return str(Path(asked.root, place).expanduser().absolute()) if place else asked.root


def build_member(
    name: str, asked: DataOptions, given: Split | None = None, task_name: str = ""
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
    member = replace(
        asked,
        name=registered,
        root=_root(place, asked),
        task_name=task_name,
        description="",
        tasks="all",
        members=(),
        task_names=(),
    )
    kind = DATASET_REGISTRY.get(registered)
    # A configuration, since the class may be of other code.
    return kind(member.cfg) if given is None else kind(member.cfg, given)


def merge(datasets: Sequence[DatasetBase]) -> tuple[TaskSet, dict[str, list[Datum]]]:
    """The tasks of all ``datasets`` and their images by part, labels and domains counted through.

    A data set without ``tasks``, as written for CoOp's code, is one task named after its class.
    """
    own = [tasks_in(dataset) for dataset in datasets]
    tasks = TaskSet(list(itertools.chain(*own)))
    parts: dict[str, list[Datum]] = {"train": [], "val": [], "test": []}
    first = 0  # index of the data set's first task
    for dataset, group in zip(datasets, own):
        places = [group.to_local(label) for label in range(group.num_classes)]
        for part, items in zip(parts.values(), (dataset.train_x, dataset.val or [], dataset.test)):
            for item in items:
                label, *others = (
                    tasks.to_global(first + places[label][0], places[label][1])
                    for label in all_labels(item)
                )
                task = first + places[item.label][0]
                part.append(ImageDatum(item.impath, label, task, item.classname, others))
        first += len(group)
    if len(datasets) > 1:
        print_tested_elsewhere("data", tasks, parts)
    return tasks, parts


def tasks_in(dataset: DatasetBase) -> TaskSet:
    """The tasks of any data set; one without ``tasks`` is a task named after its class."""
    tasks = getattr(dataset, "tasks", None)
    return tasks or TaskSet([Task(type(dataset).__name__, dataset.classnames)])
