"""The base of all image folders that are tasks: puts facts, reader, split rule and draw rule
together."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from softcpt.data.class_words import quoted, words
from softcpt.data.dassl_dataset import TaskedDataset, chosen_metric
from softcpt.data.draw_files import Drawn
from softcpt.data.draw_rules import CoopDraw, DrawRule, undrawn_test_images
from softcpt.data.image_files import find_images
from softcpt.data.image_search import described_missing, joined, located, records
from softcpt.data.options import DataOptions
from softcpt.data.pool_reader import PoolReader
from softcpt.data.pools import Pool, Row, numbered
from softcpt.data.present_classes import classes_of, keep_classes
from softcpt.data.split import DRAW_SEED, Split, read_split, write_drawn
from softcpt.data.split_rules import CoopRule, SplitRule
from softcpt.data.subsample import Parts, subsample
from softcpt.data.writable_path import writable_path
from softcpt.errors import UserError
from softcpt.tasks import Task, TaskSet
from softcpt.utils.text_files import read_text

__all__ = ["Pool", "Row", "TaskDataset"]  # what a file of ``datasets/`` needs

_log = logging.getLogger(__name__)


class TaskDataset(PoolReader, TaskedDataset):
    """A classification task (or several) in a folder below ``DATASET.ROOT``.

    A subclass states its facts (:class:`softcpt.data.dataset_facts.DatasetFacts`) and registers.
    Where its publisher's lists say which image is what, it overrides :meth:`pools`; where class
    names follow a rule, :meth:`class_name`. How images are divided and drawn are parts of their own
    (:attr:`split_rule`, :attr:`draw_rule`).

    Args:
        cfg: Dassl's configuration, or options; a library user gives keywords instead.
        given: its images by part, already drawn, in place of its own split and draw.
        options: fields of :class:`softcpt.data.options.DataOptions`:
            ``OxfordPets(root="data", shots=4, seed=1)``.

    Raises:
        UserError: the folder, its split or images of it are missing, or there is no such
            option; the message says what helps.
    """

    def __init__(self, cfg: Any = None, given: Split | None = None, **options: Any) -> None:
        chosen = DataOptions.of(cfg, options, self.name())
        self._place(chosen, self.find_folder(chosen.root))
        try:
            tasks, parts, source = self._load(given)
        except OSError as error:
            where = f"{error.filename or self.folder} cannot be read ({error.strerror or error})"
            raise UserError(
                f"data set {self.called}: {where}; give yourself access, or copy it"
            ) from error
        counts = ", ".join(f"{part} {len(items):,}" for part, items in parts.items())
        if not parts["train"] or not parts["test"]:
            raise UserError(
                f"data set {self.called}: {counts} images of {source} are there; {self.advice}"
            )
        if self.options.verbose:
            _log.info(
                f"{self.called}: {tasks.num_classes} classes; {counts} images; split: {source}"
            )
            self._print_oddities(tasks, parts)
        super().__init__(tasks, parts)

    @property
    def called(self) -> str:
        """What messages call it."""
        return str(self.name())

    @classmethod
    def unread(cls, cfg: Any, folder: Path) -> TaskDataset:
        """The data set in ``folder`` with nothing read yet: to look at it without drawing or
        writing anything."""
        dataset = cls.__new__(cls)
        dataset._place(DataOptions.of(cfg, {}, cls.name()), folder)
        return dataset

    def _place(self, options: DataOptions, folder: Path) -> None:
        self.options, self.folder, self.dataset_dir = options, folder, str(folder)

    def _load(self, given: Split | None) -> tuple[TaskSet, Parts, str]:
        """Tasks, images by part, and where the split and the draw are from."""
        if given is None:
            split = self.read_or_draw(self.folder)
            shots, seed = self.options.shots, self.options.seed
            drawn, draw = self.draw_rule(split)(split, shots, seed, self.folder)
        else:
            split = given.renamed(self.class_name)
            drawn, draw = {"train": split.train, "val": split.val, "test": split.test}, ""
        tasks = self.make_tasks(split)
        if self._skips_classes:
            tasks, drawn = self._present(tasks, split, drawn)
        paths = self.find_images(
            {item.path for items in drawn.values() for item in items}, split.source
        )
        found = records(drawn, tasks, paths)
        chosen, parts = subsample(
            tasks,
            joined(found, tasks) if self.joins_tasks else found,
            self.options.classes,
            self.chosen_tasks(),
        )
        return chosen, parts, f"{split.source}, few-shot draw {draw}" if draw else split.source

    @property
    def joins_tasks(self) -> bool:
        """Whether the labels that an image has in several tasks are one record's."""
        return False

    @property
    def _skips_classes(self) -> bool:
        """Whether classes without an image on disk are left out."""
        return self.options.on_missing == "skip-classes"

    def _present(self, tasks: TaskSet, split: Split, drawn: Drawn) -> tuple[TaskSet, Drawn]:
        """The classes that have images on disk, and their images of the whole data set's draw.

        Raises:
            UserError: there are none.
        """
        items = (*split.train, *split.val, *split.test)
        found, missing = located({item.path for item in items}, self.places)
        present = classes_of(items, found.keys())
        if not present:
            message = described_missing(
                missing, len(missing), split.source, self.image_folder(self.folder)
            )
            raise UserError(f"data set {self.called}: {message}; {self.advice}")
        kept, parts = keep_classes(tasks, drawn, present)
        if kept.num_classes < tasks.num_classes:
            _log.info(
                f"{self.called}: {kept.num_classes} of {tasks.num_classes} classes have images, "
                f"the others are left out (DATASET.ON_MISSING skip-classes): "
                f"{', '.join(kept.class_names[:6])}, ..."
            )
        return kept, parts

    def _print_oddities(self, tasks: TaskSet, parts: Parts) -> None:
        """Print what may surprise: test images in place of others, classes without images."""
        if self.test_only:
            _log.info(
                f"{self.called}: its test images stand in for training images, it is meant for "
                "--eval-only"
            )
        for part in ("train", "test"):
            there = {label for item in parts[part] for label in item.labels}
            bare = [name for label, name in enumerate(tasks.class_names) if label not in there]
            if bare:
                _log.info(
                    f"{self.called}: {len(bare)} of {tasks.num_classes} classes have no {part} "
                    f"image ({quoted(bare)})"
                )

    # -- the split ---------------------------------------------------------------------------------

    @property
    def split_rule(self) -> SplitRule:
        """How images are divided that the publisher did not divide."""
        return CoopRule(f"data set {self.called}", rule=self.rule)

    def read_or_draw(self, folder: Path) -> Split:
        """The split: the file that ``split`` names, the official lists, the split file, or with
        ``draw_split`` a new one.

        Raises:
            UserError: there is no split file and none is to be drawn.
        """
        if self.options.split:
            return self.given_split()
        if self.rule == "official":
            return self.make_split(folder)
        path = self.find_split(folder)
        if path is None:
            if not self.options.draw_split:
                raise UserError(self.no_split(folder))
            if self._skips_classes:
                split = self.make_split(folder)
                if len(split.class_names[0]) < self.num_classes:
                    # Not written: it would be taken for the split of all classes.
                    return replace(split, source="split drawn of a part")
            path = self.draw_split(folder)
        return read_split(path).renamed(self.class_name)

    def given_split(self) -> Split:
        """The split in the file that ``split`` names."""
        return read_split(Path(self.options.split).expanduser()).renamed(self.class_name)

    def no_split(self, folder: Path) -> str:
        """What is wrong without a split file, and what helps."""
        files = " or ".join(self.split_files) or self.drawn_file()
        return (
            f"data set {self.called}: no split file {files} in {folder}; {self.split_origin} "
            f"--draw-split makes one ({self.split_rule.described}, seed {DRAW_SEED})"
        )

    @property
    def split_origin(self) -> str:
        """Where a split file is from, as the first half of a sentence."""
        for source in self.sources:
            if source.file in self.split_files:
                return f"get {source.file} from {source.address}, or"
        return "none is published,"

    def draw_split(self, folder: Path) -> Path:
        """Divide the images with a fixed seed in sorted order, and write the split file."""
        split = self.make_split(folder)
        path = writable_path(folder, self.drawn_file())
        write_drawn(path, split, self.rule)
        _log.info(
            f"{self.called}: no published split at hand, {path} drawn ({self.rule}, seed "
            f"{DRAW_SEED})"
        )
        return path

    def make_split(self, folder: Path) -> Split:
        """The split that the files on disk give, divided where nobody did."""
        items, names = numbered(self.read_pools(folder))
        return Split(*self.split_rule.divide(items), [names])

    # -- the task ----------------------------------------------------------------------------------

    def chosen_tasks(self) -> str:
        """Which of its tasks: ``DATASET.SUBSAMPLE_TASKS``."""
        return self.options.tasks

    def make_tasks(self, split: Split) -> TaskSet:
        """The tasks with all their classes."""
        name = (
            self.options.task_name
            or self._text_file("task_name.txt")
            or "".join(split.task_names[:1])
            or self.default_task_name
        )
        template = self.options.template or self.template
        about = self.options.description or self._text_file("task_desc.txt")
        return TaskSet([Task(name, tuple(split.class_names[0]), self.task_metric, template, about)])

    @property
    def default_task_name(self) -> str:
        """The task's name where nobody gave another."""
        return self.task_name or words(self.name())

    @property
    def task_metric(self) -> str:
        """The task's metric: what the options say of this data set, else ``metric``."""
        chosen = self.options.metric or chosen_metric(self.name(), self.options.metrics)
        return chosen or self.metric

    def _text_file(self, name: str) -> str:
        path = self.folder / name
        return read_text(path).strip() if path.is_file() else ""

    # -- images ------------------------------------------------------------------------------------

    def draw_rule(self, split: Split) -> DrawRule:
        """How images of ``split`` are drawn."""
        if self.test_only:
            return undrawn_test_images
        coops, softcpts = self.kept_draws, "split_fewshot_mt"
        if self.options.split:
            return CoopDraw((coops,), self.val_is_test)
        kept: tuple[str, ...] = (coops,)
        if split.source.startswith("split_dk"):
            kept = (softcpts,)
        elif self.rule == "official":  # it is the same split to both
            kept = (coops, softcpts)
        return CoopDraw(kept, self.val_is_test)

    @property
    def kept_draws(self) -> str:
        """The folder of its few-shot draws; those of a given split are kept apart."""
        given = self.options.split
        return f"{self.draws_folder}/{Path(given).stem}" if given else self.draws_folder

    def places(self, paths: Sequence[str]) -> list[str | None]:
        """Where each of ``paths`` is on disk, or will be once it is needed
        (:mod:`softcpt.data.packed_images`); None: nowhere."""
        return find_images(self.image_folder(self.folder), paths)

    def unpack(self, places: Sequence[str]) -> None:
        """Bring images to their ``places`` that are there in another form only; see
        :mod:`softcpt.data.packed_images`."""

    def find_images(self, wanted: Iterable[str], source: str) -> dict[str, str]:
        """Path on disk of each of the ``wanted`` paths that is there.

        Raises:
            UserError: some are not there, and ``DATASET.ON_MISSING`` is not "skip".
        """
        found, missing = located(wanted, self.places)
        self.unpack(list(found.values()))
        if missing:
            total = len(found) + len(missing)
            message = described_missing(missing, total, source, self.image_folder(self.folder))
            if self.options.on_missing != "skip":
                raise UserError(
                    f"data set {self.called}: {message}; {self.advice}, DATASET.ON_MISSING skip "
                    "leaves them out, skip-classes the classes of which none is there"
                )
            _log.info(f"{self.called}: {message}; left out")
        return found
