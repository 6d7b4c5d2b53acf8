"""The base of all image folders that are tasks: a data set is a subclass of facts; what repeats is
here."""

from __future__ import annotations

import logging
import random
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from softcpt.data.class_words import words
from softcpt.data.dassl_dataset import DATASET_REGISTRY, TaskedDataset
from softcpt.data.datum import Datum, ImageDatum
from softcpt.data.draws import Drawn, few_shot
from softcpt.data.elevater_tasks import registered_name
from softcpt.data.folder_layout import Layout
from softcpt.data.listing import class_folders, find_images
from softcpt.data.side_files import side_file
from softcpt.data.source import Source
from softcpt.data.split import (
    DRAW_SEED,
    Item,
    Split,
    divide_ratio,
    divide_trainval,
    read_split,
    write_drawn,
)
from softcpt.data.subsample import subsample
from softcpt.errors import UserError
from softcpt.tasks import Task, TaskSet

_log = logging.getLogger(__name__)

Row = tuple[str, int, str]  # path below the image folder, label, class name


class Pool(NamedTuple):
    """Images that a publisher keeps together: ``part`` is "train", "val" or "test" where that is
    settled, "trainval" is divided 80/20 per class, "all" 50/20/30 per class."""

    part: str
    rows: list[Row]


class TaskDataset(Layout, TaskedDataset):
    """A classification task (or several) in a folder below ``DATASET.ROOT``. Subclasses state facts
    and register.

    Facts that a data set states as class attributes, besides those of its
    :class:`softcpt.data.folder_layout.Layout`:

    Attributes:
        rule: how a split is made without one: "ratio" (50/20/30 of every class), "trainval" (80/20
            of the official training list, official test list), "official" (the lists are the split;
            there are no split files), "drawn" (:class:`softcpt.data.elevater.ElevaterDataset`).
        draws_folder: folder of few-shot draws in the data set's folder; with a ``split_dk_*.json``
            it is "split_fewshot_mt", and where the lists are the split that one's draws are used
            too.
        divided_apart: folders in ``image_dir`` with class folders, each divided by itself, as
            SoftCPT does with the three folders of its Kaggle sets.
        own_folder: False: its folder is another data set's, so it is looked at only where it is
            asked for by name.
        ignored: class folders that are none.
        leaves: classes are the innermost folders; False: those directly in ``image_dir``.
        renamed: class names by folder name; others stay as they are. Override :meth:`class_name`
            for a rule.
        test_only: all images are test images; ``train_x`` is the same list, since Dassl needs one.
        val_is_test: validation images are the test images, as CoOp has it for ImageNet; no few-shot
            draw of them.
        task_name, metric, template: of :class:`softcpt.tasks.Task`. ``DATASET.TASK_NAME``, then a
            ``task_name.txt`` in the folder (SoftCPT's) come before ``task_name``;
            ``DATASET.TEMPLATE`` before ``template``; an entry "data set=metric" of
            ``DATASET.METRICS`` before ``metric``. The task's description is in a ``task_desc.txt``
            in the folder.
        num_classes: classes as published; 0: unknown. In an instance, those of the tasks at hand.
        sizes: images for training, validation and test of the published split.
        images: images altogether; 0: the sum of ``sizes``, or unknown.
        sources, licence, citation, homepage: where it is from, and on what terms.

    Args:
        cfg: the configuration.
        given: its images by part, already drawn, in place of its own split and draw.

    Raises:
        UserError: the folder, its split or images of it are missing; the message says what helps.
    """

    rule: str = "ratio"
    draws_folder: str = "split_fewshot"
    own_folder: bool = True
    divided_apart: tuple[str, ...] = ("",)
    ignored: tuple[str, ...] = ()
    leaves: bool = False
    renamed: Mapping[str, str] = {}
    test_only: bool = False
    val_is_test: bool = False
    task_name: str = ""
    metric: str = "accuracy"
    template: str = "a photo of a {}."
    sizes: tuple[int, int, int] | None = None
    images: int = 0
    sources: tuple[Source, ...] = ()
    licence: str = "not stated"
    citation: str = ""
    homepage: str = ""

    def __init__(self, cfg: Any, given: Split | None = None) -> None:
        self._place(cfg, self.find_folder(cfg.DATASET.ROOT))
        try:
            tasks, parts, source = self._load(given)
        except OSError as error:
            where = f"{error.filename} cannot be read ({error.strerror})"
            raise UserError(
                f"data set {self.name()}: {where}; give yourself access, or copy it"
            ) from error
        counts = ", ".join(f"{part} {len(items):,}" for part, items in parts.items())
        if not parts["train"] or not parts["test"]:
            raise UserError(
                f"data set {self.name()}: {counts} images of {source} are there; {self.advice}"
            )
        if cfg.VERBOSE:
            _log.info(
                f"{self.name()}: {tasks.num_classes} classes; {counts} images; split: {source}"
            )
            if self.test_only:
                _log.info(
                    f"{self.name()}: its test images stand in for training images, it is meant for "
                    "--eval-only"
                )
            for part in ("train", "test"):
                if bare := tasks.num_classes - len(
                    {label for item in parts[part] for label in item.labels}
                ):
                    _log.info(
                        f"{self.name()}: {bare} of {tasks.num_classes} classes have no {part} image"
                    )
        super().__init__(tasks, parts)

    @classmethod
    def unread(cls, cfg: Any, folder: Path) -> TaskDataset:
        """The data set in ``folder`` with nothing read yet: to look at it without drawing or
        writing anything."""
        dataset = cls.__new__(cls)
        dataset._place(cfg, folder)
        return dataset

    def _place(self, cfg: Any, folder: Path) -> None:
        self.cfg, self.folder, self.dataset_dir = cfg, folder, str(folder)

    def _load(self, given: Split | None) -> tuple[TaskSet, dict[str, list[Datum]], str]:
        """Tasks, images by part, and where the split and the draw are from."""
        if given is None:
            split = self.read_or_draw(self.folder)
            drawn, draw = self.few_shot(split)
        else:
            split = given.renamed(self.class_name)
            drawn, draw = {"train": split.train, "val": split.val, "test": split.test}, ""
        tasks = self.make_tasks(split)
        datums = self.datums(drawn, tasks, split.source)
        chosen = subsample(
            tasks, datums, self.option("SUBSAMPLE_CLASSES", "all"), self.chosen_tasks()
        )
        return *chosen, f"{split.source}, few-shot draw {draw}" if draw else split.source

    def chosen_tasks(self) -> str:
        """Which of its tasks: ``DATASET.SUBSAMPLE_TASKS``."""
        return self.option("SUBSAMPLE_TASKS", "all")

    @property
    def advice(self) -> str:
        """What helps when images are missing."""
        return f"`python -m softcpt data get {self.name()} --root {self.cfg.DATASET.ROOT}` completes it"

    def option(self, key: str, default: Any) -> Any:
        """``DATASET.<key>``; ``default`` where a configuration made for other code does not have
        it."""
        return self.cfg.DATASET.get(key, default)

    # -- the split ---------------------------------------------------------------------------------

    def read_or_draw(self, folder: Path) -> Split:
        """The split: the official lists, or the split file, or with ``DATASET.DRAW_SPLIT`` a new
        one.

        Raises:
            UserError: there is no split file and none is to be drawn.
        """
        if self.rule == "official":
            return self.make_split(folder)
        path = self.find_split(folder)
        if path is None:
            if not self.option("DRAW_SPLIT", False):
                raise UserError(self.no_split(folder))
            path = self.draw_split(folder)
        return read_split(path).renamed(self.class_name)

    def no_split(self, folder: Path) -> str:
        """What is wrong without a split file, and what helps."""
        links = [
            f"{source.file} from {source.address}"
            for source in self.sources
            if source.file in self.split_files
        ]
        get = f"get {links[0]}, or" if links else "none is published,"
        how = {
            "ratio": "50/20/30 of every class",
            "trainval": "80/20 of the official training list",
        }[self.rule]
        return (
            f"data set {self.name()}: no split file "
            f"{' or '.join(self.split_files) or self.drawn_file()} in {folder}; "
            f"{get} --draw-split makes one ({how}, seed {DRAW_SEED})"
        )

    def draw_split(self, folder: Path) -> Path:
        """Divide the images with a fixed seed in sorted order, and write the split file."""
        split = self.make_split(folder)
        path = side_file(folder, self.drawn_file())
        write_drawn(path, split, self.rule)
        _log.info(
            f"{self.name()}: no published split at hand, {path} drawn ({self.rule}, seed "
            f"{DRAW_SEED})"
        )
        return path

    def make_split(self, folder: Path) -> Split:
        """The split that the files on disk give, divided where nobody did."""
        pools = self.checked(self._read_pools(folder), folder)
        names = {label: name for pool in pools for _, label, name in pool.rows}
        labels = {label: index for index, label in enumerate(sorted(names))}
        parts = self.divide(
            [
                (pool.part, [Item(path, 0, labels[label]) for path, label, _ in pool.rows])
                for pool in pools
            ]
        )
        return Split(*parts, [[names[label] for label in sorted(names)]])

    def _read_pools(self, folder: Path) -> list[Pool]:
        try:
            return list(self.pools(folder, self.image_folder(folder)))
        except UserError:
            raise
        except (
            Exception
        ) as error:  # half a list or half a MATLAB file makes its reader raise nearly anything
            if isinstance(error, OSError) and error.filename is not None:
                raise
            reason = f"{type(error).__name__}: {' '.join(str(error).split())}"
            message = f"data set {self.name()}: the lists in {folder} cannot be used ({reason}); {self.advice}"
            raise UserError(message) from error

    def divide(
        self, pools: Iterable[tuple[str, list[Item]]]
    ) -> tuple[list[Item], list[Item], list[Item]]:
        """Training, validation and test images of pools of images (:class:`Pool`), from one
        generator in order."""
        generator = random.Random(DRAW_SEED)
        parts: dict[str, list[Item]] = {"train": [], "val": [], "test": []}
        for part, items in pools:
            if part == "all":
                divided = divide_ratio(items, generator, self.group, f"data set {self.name()}")
                for kept, more in zip(parts.values(), divided):
                    kept += more
            elif part == "trainval":
                train, val = divide_trainval(items, generator)
                parts["train"] += train
                parts["val"] += val
            else:
                parts[part] += items
        return parts["train"], parts["val"], parts["test"]

    @staticmethod
    def group(item: Item) -> Any:
        """What is divided 50/20/30 together: a class."""
        return item.task, item.label

    def checked(self, pools: list[Pool], folder: Path) -> list[Pool]:
        """``pools``, if they have the classes that the data set has."""
        found = len({label for pool in pools for _, label, _ in pool.rows})
        if not found or self.num_classes not in (0, found):
            raise UserError(
                f"data set {self.name()}: {found} of {self.num_classes or 'its'} classes have "
                "images in "
                f"{self.image_folder(folder)}; {self.advice}"
            )
        return pools

    # -- what a data set may override --------------------------------------------------------------

    def pools(self, folder: Path, images: Path) -> Iterable[Pool]:
        """The images on disk with labels and names: here, a class per folder in ``images``, labels
        in sorted order."""
        listed = {inner: self.by_class(images / inner) for inner in self.divided_apart}
        names = sorted(set().union(*listed.values()))
        for inner, classes in listed.items():
            prefix = f"{inner}/" if inner else ""
            yield Pool(
                "all",
                [
                    (prefix + path, label, self.class_name(name))
                    for label, name in enumerate(names)
                    for path in classes.get(name, ())
                ],
            )

    def by_class(self, images: Path) -> dict[str, list[str]]:
        """Name of the class folder -> its images, without the ignored ones."""
        classes: dict[str, list[str]] = {}
        for folder, paths in (
            class_folders(images, self.leaves) if images.is_dir() else {}
        ).items():
            name = folder.rpartition("/")[2]
            if name not in self.ignored:
                classes.setdefault(name, []).extend(paths)
        return classes

    def class_name(self, name: str) -> str:
        """The class name for a folder's or a split file's. A name that was made here must come back
        as it is."""
        return self.renamed.get(name, name)

    def lines(self, path: Path) -> list[str]:
        """The lines of a list that the publisher provides, without empty ones.

        Raises:
            UserError: the file is missing.
        """
        return [
            line.strip()
            for line in self.needed(path).read_text(encoding="utf-8").splitlines()
            if line.strip()
        ]

    def needed(self, path: Path) -> Path:
        """``path``, if there is such a file."""
        if not path.is_file():
            raise UserError(f"data set {self.name()}: no file {path}; {self.advice}")
        return path

    def make_tasks(self, split: Split) -> TaskSet:
        """The tasks with all their classes."""
        name = (
            self.option("TASK_NAME", "")
            or self._text_file("task_name.txt")
            or "".join(split.task_names[:1])
        )
        template = self.option("TEMPLATE", "") or self.template
        about = self._text_file("task_desc.txt")
        return TaskSet(
            [
                Task(
                    name or self.default_task_name,
                    split.class_names[0],
                    self.task_metric,
                    template,
                    about,
                )
            ]
        )

    @property
    def task_metric(self) -> str:
        """The task's metric: what ``DATASET.METRICS`` says of this data set, else ``metric``.

        Raises:
            UserError: an entry of it is not of the form "data set=metric", or there is no such data
                set.
        """
        chosen = self.metric
        for entry in self.option("METRICS", ()):
            name, _, metric = entry.partition("=")
            name = registered_name(name)
            if name not in DATASET_REGISTRY.registered_names():
                raise UserError(
                    f"DATASET.METRICS: '{entry}' names no data set; give \"['{self.name()}=accuracy']\""
                )
            chosen = metric if name == self.name() else chosen
        return chosen

    @property
    def default_task_name(self) -> str:
        """The task's name where nobody gave another."""
        return self.task_name or words(self.name())

    def _text_file(self, name: str) -> str:
        path = self.folder / name
        return path.read_text(encoding="utf-8").strip() if path.is_file() else ""

    # -- images ------------------------------------------------------------------------------------

    def few_shot(self, split: Split) -> tuple[Drawn, str]:
        """The images of each part, and the file that their draw is from."""
        if self.test_only:
            return {"train": split.test, "val": [], "test": split.test}, ""
        kept = (self.draws_folder, "split_fewshot_mt")  # CoOp's, SoftCPT's
        if split.source.startswith("split_dk"):
            kept = kept[1:]
        elif self.rule != "official":  # else it is the same split to both
            kept = kept[:1]
        drawn, source = few_shot(
            split,
            self.cfg.DATASET.NUM_SHOTS,
            self.cfg.SEED,
            self.folder,
            kept,
            not self.val_is_test,
        )
        return {
            **drawn,
            "val": split.test if self.val_is_test else drawn["val"],
            "test": split.test,
        }, source

    def datums(self, parts: Drawn, tasks: TaskSet, source: str) -> dict[str, list[ImageDatum]]:
        """Dassl's records of the images.

        Raises:
            UserError: some are not there, and ``DATASET.ON_MISSING`` is not "skip".
        """
        paths = self.find_images({item.path for items in parts.values() for item in items}, source)
        return {
            part: [
                ImageDatum(
                    paths[item.path],
                    tasks.to_global(item.task, item.label),
                    item.task,
                    tasks[item.task].class_names[item.label],
                    [tasks.to_global(item.task, label) for label in item.others],
                )
                for item in items
                if item.path in paths
            ]
            for part, items in parts.items()
        }

    def places(self, paths: Sequence[str]) -> list[str | None]:
        """Where each of ``paths`` is on disk, or will be once it is needed
        (:mod:`softcpt.data.packed_images`); None: nowhere."""
        return find_images(self.image_folder(self.folder), paths)

    def unpack(self, places: Sequence[str]) -> None:
        """Bring images to their ``places`` that are there in another form only; see
        :mod:`softcpt.data.packed_images`."""

    def find_images(self, wanted: Iterable[str], source: str) -> dict[str, str]:
        """Path on disk of each of the ``wanted`` paths that is there."""
        wanted, root = sorted(wanted), self.image_folder(self.folder)
        found = {
            path: place for path, place in zip(wanted, self.places(wanted)) if place is not None
        }
        self.unpack(list(found.values()))
        if len(found) < len(wanted):
            first = next(path for path in wanted if path not in found)
            message = (
                f"{len(wanted) - len(found):,} of {len(wanted):,} images of {source} are not in "
                f"{root}"
                f"{'' if root.is_dir() else ' (there is no such folder)'}, the first is {first}"
            )
            if self.option("ON_MISSING", "stop") != "skip":
                raise UserError(
                    f"data set {self.name()}: {message}; {self.advice}, DATASET.ON_MISSING skip "
                    "leaves them out"
                )
            _log.info(f"{self.name()}: {message}; left out")
        return found
