"""Batches for training and evaluation: image features from the bank, or images encoded at every
step."""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import BatchSampler, DataLoader, Sampler

from softcpt.data.datum import all_labels
from softcpt.features.bank import FeatureBank
from softcpt.features.images import ViewDataset, default_workers
from softcpt.features.on_device import OnDevice
from softcpt.prompters import TaskClassifier
from softcpt.tasks import padded
from softcpt.utils import parallel
from softcpt.utils.sending import labels_were_sent, send, send_together

_log = logging.getLogger(__name__)

Batch = dict[str, Any]

# Kinds of what a batch gives, beside the bank's.
IMAGES, ENCODED = "images", "encoded"


class Batches(ABC):
    """Iterates over labelled images in batches of {"features" or "images", "label", "domain",
    "index"}.

    "label" is (B,); where an image has several classes, (B, K) with -1 behind an image's own.

    Args:
        labels: (N,) or (N, K) global classes.
        domains: (N,) tasks.
        sampler: draws the order; a new order per iteration.
        batch_size: B.
        drop_last: leave out a last batch that is not full.
        views: number of the augmented view of an epoch; None if the transform draws nothing.
    """

    def __init__(
        self,
        labels: Tensor,
        domains: Tensor,
        sampler: Sampler[int],
        batch_size: int,
        drop_last: bool = False,
        views: Callable[[int], int] | None = None,
    ) -> None:
        self.labels, self.domains = labels, domains
        self.order = BatchSampler(sampler, batch_size, drop_last)
        self.views = views
        self.epoch = 0

    def __len__(self) -> int:
        return len(self.order)

    @abstractmethod
    def __iter__(self) -> Iterator[Batch]:
        """The batches of the present view."""

    def open(self) -> None:  # noqa: B027 - there need not be anything to do
        """Have at hand what is the same for all batches of the present view."""

    def print_left_out(self) -> None:
        """Print how many images every epoch leaves out with a last batch that is not full, where
        these are more than a tenth."""
        count, size = len(self.labels), self.order.batch_size
        lost = count % size if self.order.drop_last else 0
        if lost > count / 10:
            _log.info(
                f"{lost} of {count} training images are left out of every epoch, others each time "
                f"(batches of {size}; DATALOADER.TRAIN_X.DROP_LAST False takes a smaller last one)"
            )

    @property
    def view(self) -> int | None:
        """The view of the present epoch."""
        return None if self.views is None else self.views(self.epoch)

    def _feature_batch(self, indices: Sequence[int], features: Tensor, kind: str) -> Batch:
        """Rows of ``features`` (N, ...), which are on the host, or on the device; there they are
        picked, and their labels come in one block with their numbers."""
        found = self._batch(indices)
        index, device = found["index"], features.device
        if device.type == "cpu":
            return {"features": features[index], **found, "kind": kind}
        there, labels = send_together([index, found["label"]], device)
        labels_were_sent(found["label"], labels)
        return {"features": features.index_select(0, there), **found, "kind": kind}

    def _batch(self, indices: Sequence[int], **inputs: Tensor) -> Batch:
        index = torch.as_tensor(indices)
        return {
            **inputs,
            "label": self.labels[index],
            "domain": self.domains[index],
            "index": index,
        }


class FileBatches(Batches):
    """Batches of images in files: a list of Dassl's ``Datum``, or of other records with
    ``impath``, ``label`` and ``domain``."""

    def __init__(
        self,
        items: Sequence[Any],
        sampler: Sampler[int],
        batch_size: int,
        drop_last: bool = False,
        views: Callable[[int], int] | None = None,
    ) -> None:
        domains = torch.tensor([item.domain for item in items])
        super().__init__(labels_of(items), domains, sampler, batch_size, drop_last, views)
        self.items = items
        self.paths = [item.impath for item in items]


def labels_of(items: Sequence[Any]) -> Tensor:
    """(N,) labels of Dassl's ``Datum``; (N, K) with -1 behind an image's own where one has several
    ``labels``."""
    return padded([all_labels(item) for item in items])


class FeatureBatches(FileBatches):
    """Batches of features (B, D), or (B, 1 + M, D) from a spatial bank, not normalised, that the
    bank keeps; "kind" is the bank's. ``place``: where the present view is held; None: on the
    host."""

    def __init__(
        self,
        *args: Any,
        bank: FeatureBank,
        transform: Callable[[Any], Tensor],
        root: str = "",
        place: OnDevice | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        self.bank, self.transform, self.root = bank, transform, root
        self.place = place
        self._opened: tuple[int | None, Tensor] | None = None

    def open(self) -> None:
        """Have the features of the present view at hand."""
        self._in_place()

    def features(self) -> Tensor:
        """Features (N, ...) of the present view; encoded now if the bank does not have them."""
        if self._opened is None or self._opened[0] != self.view:
            found = self.bank.features(self.paths, self.transform, self.view, self.root)
            self._opened = (self.view, found)
        return self._opened[1]

    def _in_place(self) -> Tensor:
        features = self.features()
        return features if self.place is None else self.place.put(features, self.view)

    def __iter__(self) -> Iterator[Batch]:
        features = self._in_place()
        for indices in self.order:
            yield self._feature_batch(indices, features, self.bank.kind)


class ImageBatches(FileBatches):
    """Batches of pre-processed images (B, 3, H, W), decoded by worker processes."""

    def __init__(
        self,
        *args: Any,
        transform: Callable[[Any], Tensor],
        seed: int = 0,
        workers: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        self.transform, self.seed = transform, seed
        self.workers = default_workers() if workers is None else workers

    def __iter__(self) -> Iterator[Batch]:
        dataset = ViewDataset(self.paths, self.transform, self.seed, self.view)
        # The order is drawn here, once: a loader would draw a seed for its workers from the same
        # generator.
        order = list(self.order)
        loader = DataLoader(
            dataset,
            batch_sampler=order,
            num_workers=min(self.workers, len(order)),
            generator=torch.Generator(),
            pin_memory=torch.cuda.is_available(),
        )
        for indices, images in loader:
            yield self._batch(indices, images=images)


class GivenFeatures(Batches):
    """Batches of features at hand: (N, D), or (N, V, D) of V views, taken in turn by epochs.
    ``place``: where the present one is held; None: where it is."""

    def __init__(
        self, features: Tensor, *args: Any, place: OnDevice | None = None, **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        self.features = features if features.dim() == 3 else features[:, None]
        self.place = place

    def __iter__(self) -> Iterator[Batch]:
        number = self.epoch % self.features.shape[1]
        view = self.features[:, number]
        if self.place is not None:
            view = self.place.put(view, number)
        for indices in self.order:
            yield self._feature_batch(indices, view, "global")


def features_of(batch: Mapping[str, Any], method: TaskClassifier) -> Tensor:
    """Image features of a batch as ``method`` takes them: (B, D), or (B, 1 + M, D)."""
    return features_from(*given_of(batch, method), method)


def given_of(batch: Mapping[str, Any], method: TaskClassifier) -> tuple[Tensor, str]:
    """What a batch brings to the method's device, and its kind: the bank's; or images, for a method
    that prompts them; or features of images.

    Images that the method does not prompt are divided among the processes; where it does, it
    divides them itself.
    """
    if "images" not in batch:
        return send(batch["features"], method.device), str(batch["kind"])
    images = send(batch["images"], method.device)
    if method.prompts_images:
        return images, IMAGES
    return parallel.encode_rows(method.encode_image, images), ENCODED


def features_from(given: Tensor, kind: str, method: TaskClassifier) -> Tensor:
    """Features as ``method`` takes them, of what :func:`given_of` gave."""
    if kind == ENCODED:
        return given
    if kind == IMAGES:
        return method.encode_image(given)
    if given.dim() > 2 and not method.local_features:
        given = given[:, 0]  # of a spatial bank the pooled one
    if kind == "unprojected" and not method.unprojected:
        given = method.clip.project(given)
    return method.image_features(given)
