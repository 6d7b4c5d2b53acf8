"""Visits training images so that every batch has the tasks in given shares."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Sampler

from softcpt.errors import UserError
from softcpt.utils.suggest import near_and_all

TASK_BALANCED = "TaskBalanced"
_KEY = "DATALOADER.TRAIN_X.TASK_SHARES"


class TaskBalancedSampler(Sampler[int]):
    """An order of images in which every stretch has the labels of the tasks in given shares.

    Each place goes to the task that is furthest behind its share of the labels so far, and of that
    task to the next image in a random order of its own, which is drawn again at its end. An image
    of several tasks counts for each of them. So with images of one task each, a batch has a task's
    share of them, to within an image; with images of several, labels come as near to the shares as
    the images allow.

    An epoch has as many images as there are, as with a random order: images of small tasks come
    several times in it, and not all of large ones. Orders are drawn from torch's global generator
    when an epoch begins, which a run seeds from (seed, epoch).

    Args:
        tasks: (N, K) the task of each label of an image, -1 for none
            (:meth:`softcpt.TaskSet.of_labels`).
        shares: one for each task, 0 or more; a task without images has no part.

    Raises:
        UserError: no task with images has a share.
    """

    def __init__(self, tasks: Tensor, shares: Sequence[float]) -> None:
        self._length, count = len(tasks), len(shares)
        found = tasks.cpu().numpy()
        images, places = np.nonzero(found >= 0)
        # Pairs of an image and one of its tasks, image by image: a table of images times tasks has
        # hundreds of megabytes where there are 1,000 tasks.
        pairs = np.unique(images * count + found[images, places])
        self._images, self._tasks = np.divmod(pairs, count)
        wanted = np.array(shares, dtype=np.float64)
        wanted[np.bincount(self._tasks, minlength=count) == 0] = 0
        if self._length and not wanted.any():
            raise UserError(f"{_KEY}: no task with images has a share above 0; give it one")
        self.shares = wanted / (wanted.sum() or 1)

    def __len__(self) -> int:
        return self._length

    def __iter__(self) -> Iterator[int]:
        drawn = self.shares > 0
        queues = self._queues()
        counted = drawn[self._tasks]
        tasks = self._tasks[counted]
        # Of each image where its tasks that count begin.
        starts = np.searchsorted(self._images[counted], np.arange(self._length + 1)).tolist()
        counts, total = np.where(drawn, 0.0, np.inf), 0
        for _ in range(self._length):
            # The first that is furthest behind; what is not drawn is infinitely ahead.
            task = int((self.shares * (total + 1) - counts).argmax())
            image = queues[task].next()
            mine = tasks[starts[image] : starts[image + 1]]
            counts[mine] += 1
            total += len(mine)
            yield image

    def _queues(self) -> list[_Queue]:
        """The images of each task."""
        order = np.argsort(self._tasks, kind="stable")
        bounds = np.cumsum(np.bincount(self._tasks, minlength=len(self.shares)))[:-1]
        return [_Queue(images) for images in np.split(self._images[order], bounds)]


class _Queue:
    """Images of a task, in one random order after the other."""

    def __init__(self, images: NDArray[np.intp]) -> None:
        self.images = images
        self.left: Iterator[int] = iter(())

    def next(self) -> int:
        """The next one."""
        found = next(self.left, None)
        if found is None:
            order = torch.randperm(len(self.images)).numpy()
            self.left = iter(self.images[order].tolist())
            found = next(self.left)
        return found


def task_shares(entries: Sequence[object], names: Sequence[str]) -> list[float]:
    """A share for each task, not yet of sum one; equal ones where none are given.

    Args:
        entries: ``DATALOADER.TRAIN_X.TASK_SHARES``: a number for each task, or "name=number" for
            some; the others have 1.
        names: of the tasks.

    Raises:
        UserError: there is no such task, not a number for each, or one that is no share.
    """
    named = [entry for entry in entries if isinstance(entry, str) and "=" in entry]
    if not named:
        if entries and len(entries) != len(names):
            raise UserError(
                f"{_KEY}: {len(entries)} shares for {len(names)} tasks; give one for each, or "
                f"\"['{names[0]}=2']\""
            )
        return [_share(entry) for entry in entries] or [1.0] * len(names)
    if len(named) < len(entries):
        raise UserError(f"{_KEY}: some shares have names and some have none; name all or none")
    shares = dict.fromkeys(names, 1.0)
    for entry in named:
        name, _, value = entry.rpartition("=")
        if name not in shares:
            raise UserError(f"{_KEY}: no task '{name}'; {near_and_all(name, names)}")
        shares[name] = _share(value)
    return list(shares.values())


def _share(value: object) -> float:
    try:
        share = float(value)  # type: ignore[arg-type]  # what is none is refused
    except (TypeError, ValueError):
        share = math.nan
    if not (math.isfinite(share) and share >= 0):
        raise UserError(f"{_KEY}: {value!r} is no share; give a number of 0 or more")
    return share
