"""A frozen CLIP with what a method learned: what training gives, and what an artefact holds."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from torch import Tensor

from softcpt.artefacts import hub
from softcpt.artefacts.class_matrix import ClassMatrix, class_matrix
from softcpt.artefacts.evaluation import Evaluation, Labelled, evaluate
from softcpt.artefacts.exports import Exported, export_method
from softcpt.artefacts.prediction import Entry, Predictor, chosen_task
from softcpt.artefacts.record import Record
from softcpt.artefacts.saving import save
from softcpt.clip.model import Clip
from softcpt.clip.preprocessing import Preprocessing
from softcpt.errors import UserError
from softcpt.metrics import METRICS
from softcpt.prompters import TaskClassifier
from softcpt.tasks import Task, TaskSet


@dataclass(frozen=True, repr=False)
class AdaptedClip:
    """A frozen CLIP and a method that was trained on it.

    Args:
        method: the trained method; it has the CLIP and the tasks.
        method_name: what :func:`softcpt.build_prompter` calls it.
        record: how it was trained and what it reached.
        preprocessing: of its images in training; None: the CLIP's own.

    Example:
        >>> clip = softcpt.load_clip("tiny")
        >>> tasks = softcpt.TaskSet([softcpt.Task("pets", ["cat", "dog"])])
        >>> data = softcpt.FeatureData(tasks, torch.randn(8, 256), torch.arange(8) % 2)
        >>> fitted = softcpt.fit("SoftCPT", clip, data, epochs=1, progress=False)
        >>> fitted
        AdaptedClip(SoftCPT on tiny, 1 task(s): pets; 2 classes)
        >>> picture = torch.zeros(3, 64, 64, dtype=torch.uint8)
        >>> [best] = fitted.predict([picture])
        >>> best.task, best.label in ("cat", "dog")
        ('pets', True)
        >>> more = fitted.add_task("flowers", ["rose", "tulip", "daisy"])  # nothing is trained
        >>> more.tasks.names
        ('pets', 'flowers')
        >>> softcpt.load_prompt(more.save("my_prompt"))
        AdaptedClip(SoftCPT on tiny, 2 task(s): pets, flowers; 5 classes)
    """

    method: TaskClassifier
    method_name: str
    record: Record = field(default_factory=Record)
    preprocessing: Preprocessing | None = None

    @property
    def clip(self) -> Clip:
        """The frozen model."""
        return self.method.clip

    @property
    def tasks(self) -> TaskSet:
        """The tasks whose classes it tells apart."""
        return self.method.tasks

    @property
    def image_preprocessing(self) -> Preprocessing:
        """How images become the model's input: as in training."""
        return self.preprocessing or self.clip.preprocessing

    def __repr__(self) -> str:
        tasks = ", ".join(self.tasks.names[:3]) + (", ..." if len(self.tasks) > 3 else "")
        return (
            f"AdaptedClip({self.method_name} on {self.clip.name}, {len(self.tasks)} task(s): "
            f"{tasks}; {self.tasks.num_classes} classes)"
        )

    # -- images ------------------------------------------------------------------------------------

    def predict(
        self,
        images: Any,
        task: str | None = None,
        top: int = 1,
        batch_size: int | None = None,
        workers: int | None = None,
    ) -> list[Entry]:
        """The best classes of images; one entry for each image, in order.

        Args:
            images: an image or many, in a list, a generator or a tensor. An image is a path, one of
                ``data.test`` of :func:`softcpt.load_data`, a PIL image, an array of bytes (H, W,
                3), a tensor of bytes (3, H, W), or one that is pre-processed: (3, S, S) of floating
                point, S the model's image size.
            task: whose classes are compared. None: the only one. "all": every task's. "auto": the
                task of the class that is best over all tasks. That is a **guess**: methods are
                trained to tell the classes of one task apart, not tasks from each other.
            top: how many classes of an image, the best first.
            batch_size: images that are encoded at once; None: 16 on a CPU, else 128.
            workers: processes that decode files; None: one fewer than cores, 1 to 8; 0: this one.

        Returns:
            For each image a :class:`softcpt.Prediction`; with ``top`` above 1, or "all", a list of
            them, "all" task by task. Its probability is the softmax over the classes of its task.
            For an image that cannot be read, a :class:`softcpt.Failed`.

        Raises:
            UserError: the task is unknown, or must be given; an item is no image.
        """
        return list(self.predict_stream(images, task, top, batch_size, workers))

    def predict_stream(
        self,
        images: Any,
        task: str | None = None,
        top: int = 1,
        batch_size: int | None = None,
        workers: int | None = None,
    ) -> Iterator[Entry]:
        """As :meth:`predict`, entry by entry while ``images`` are read, so that memory does not
        grow with their number; ``task``, ``top``, ``batch_size`` and ``workers`` as there."""
        predictor = Predictor(self.method, chosen_task(self.tasks, task), top)
        one = isinstance(images, (str, os.PathLike, Image.Image, Tensor, np.ndarray))
        items: Iterable[Any] = [images] if one else images
        return predictor.stream(items, self.image_preprocessing, batch_size, workers)

    def evaluate(
        self,
        images: Sequence[Labelled],
        batch_size: int | None = None,
        workers: int | None = None,
        progress: bool = True,
    ) -> Evaluation:
        """Figures of a test on images with labels, each image in its own task.

        Features of a frozen image tower are kept in the feature bank, so a second test is quick.

        Args:
            images: with ``path``, ``labels`` and ``class_name``, such as ``data.test`` of
                :func:`softcpt.load_data`.
            batch_size: images that are encoded at once; None: 16 on a CPU, else 128.
            workers: processes that decode files; None: one fewer than cores, 1 to 8; 0: this one.
            progress: show a progress bar.

        Returns:
            The figures of each task that has images, in %, and their means.

        Raises:
            UserError: there are no images, they are of other classes, or one cannot be read.
        """
        return evaluate(
            self.method, images, self.image_preprocessing, batch_size, workers, progress
        )

    # -- other classes and tasks -------------------------------------------------------------------

    def with_classes(self, task: str, names: Sequence[str]) -> AdaptedClip:
        """The same with other classes of a task, without training.

        Args:
            task: its name.
            names: of its classes, in place of those it has. Its metric stays where it is defined
                for so many classes, else it is accuracy.

        Returns:
            A new one; this one stays as it is.

        Raises:
            UserError: the task is unknown, or the method has learned parts for each class and none
                for a new one.
        """
        index = self.tasks.names.index(_known(self.tasks, task))
        old, tasks = self.tasks[index], list(self.tasks)
        needed = METRICS[old.metric].num_classes
        metric = old.metric if needed in (None, len(names)) else "accuracy"
        tasks[index] = replace(old, metric="accuracy").with_classes(names)
        tasks[index] = replace(tasks[index], metric=metric)
        return self._for_tasks(tasks, task, "its classes were renamed after training")

    def add_task(
        self,
        name: str,
        names: Sequence[str],
        template: str = "a photo of a {}.",
        metric: str = "accuracy",
        description: str = "",
    ) -> AdaptedClip:
        """The same with one more task, without training: of methods that make a task's context
        from its name (SoftCPT), or whose contexts serve all tasks (CoOp-MT).

        Args:
            name: what the task is, in words: "mushroom image classification".
            names: of its classes.
            template: prompt of zero-shot CLIP, {} for the class.
            metric: that it is measured by.
            description: of a SoftCPT that reads descriptions.

        Returns:
            A new one; this one stays as it is.

        Raises:
            UserError: there is a task of that name, or the method has learned parts for each task.
        """
        added = Task(name, tuple(names), metric, template, description)
        return self._for_tasks([*self.tasks, added], name, "it was added after training, by name")

    def _for_tasks(self, tasks: Sequence[Task], changed: str, how: str) -> AdaptedClip:
        method = self.method.for_tasks(TaskSet(tasks))
        record = replace(self.record, changed={**self.record.changed, changed: how})
        return replace(self, method=method, record=record)

    # -- on disk -----------------------------------------------------------------------------------

    def save(self, folder: str | os.PathLike[str]) -> Path:
        """Write config.json, prompt.safetensors (what was trained, not the CLIP) and README.md, a
        model card, into ``folder``, which is returned; :func:`softcpt.load_prompt` reads it.

        Raises:
            UserError: a file cannot be written.
        """
        return save(
            self.method, self.method_name, self.record, self.image_preprocessing, Path(folder)
        )

    # -- for others --------------------------------------------------------------------------------

    def class_matrix(self) -> ClassMatrix:
        """The classes of all tasks as one matrix (D, C), with their names, task offsets and the
        logit scale.

        Raises:
            UserError: the method's logits are not those of one matrix.

        Example:
            >>> tasks = softcpt.TaskSet([softcpt.Task("pets", ["cat", "dog"])])
            >>> method = softcpt.build_method("ZeroShot", softcpt.load_clip("tiny"), tasks)
            >>> matrix = softcpt.AdaptedClip(method, "ZeroShot").class_matrix()
            >>> matrix.weights.shape, matrix.class_names
            (torch.Size([256, 2]), ('cat', 'dog'))
            >>> matrix.logits(torch.randn(3, 256)).shape
            torch.Size([3, 2])
        """
        return class_matrix(self.method)

    def export(self, kind: str, path: str | os.PathLike[str], model: str = "") -> Exported:
        """Write a file for other programs; docs/export.md says how they read it.

        Args:
            kind: "classifier", "open_clip", "transformers", "onnx" or "torch".
            path: the file to write.
            model: what open_clip or transformers calls the backbone, if that cannot be found out.

        Raises:
            UserError: for an unknown kind, and what it cannot carry.
        """
        return export_method(self.method, kind, path, model, self.image_preprocessing)

    def push_to_hub(
        self, repository: str, private: bool = False, message: str = "", token: str | None = None
    ) -> str:
        """Upload what :meth:`save` writes to the Hugging Face hub; see :func:`softcpt.push_to_hub`.

        Args:
            repository: ``<user>/<name>``.
            private: of a repository that is made: nobody else sees it.
            message: of the commit.
            token: of the user; None: the one that ``hf auth login`` kept, or ``HF_TOKEN``.

        Returns:
            The address of the page.
        """
        return hub.push_to_hub(self, repository, private, message, token)


def _known(tasks: TaskSet, task: str) -> str:
    if task not in tasks.names:
        raise UserError(f"task '{task}': unknown; there are {', '.join(tasks.names)}")
    return task
