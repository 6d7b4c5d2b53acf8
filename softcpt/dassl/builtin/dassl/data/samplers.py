"""Orders in which training images are visited.

The domain and class samplers draw from the global generators of python and numpy exactly as Dassl's
do, one epoch of draws at construction included, so that a seed gives the same batches. Drawing an
epoch of N images costs O(N log N), not O(N^2).
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from dassl.utils import UnavailableError, check_availability
from torch.utils.data import RandomSampler, Sampler, SequentialSampler

from softcpt.errors import UserError

from .remaining import Remaining


def _positions(data_source: Sequence[Any], attribute: str) -> dict[int, list[int]]:
    """Value of ``attribute`` -> positions of the items that have it, in first-seen order."""
    groups: dict[int, list[int]] = defaultdict(list)
    for position, item in enumerate(data_source):
        groups[getattr(item, attribute)].append(position)
    return dict(groups)


class _DomainSampler(Sampler[int]):
    """Batches with the same number of images from each of ``n_domain`` domains.

    An epoch ends with the batch after which some domain cannot fill its share again.
    """

    def __init__(self, data_source: Sequence[Any], batch_size: int, n_domain: int) -> None:
        self.groups = _positions(data_source, "domain")
        self.domains = list(self.groups)
        self.n_domain = n_domain if n_domain and n_domain > 0 else len(self.domains)
        if batch_size % self.n_domain:
            raise UserError(
                f"DATALOADER.TRAIN_X.BATCH_SIZE {batch_size}: no multiple of {self.n_domain} "
                "domains; change it"
            )
        self.n_img_per_domain = batch_size // self.n_domain
        for domain, positions in self.groups.items():
            if len(positions) < self.n_img_per_domain:
                raise UserError(
                    f"domain {domain}: {len(positions)} images, and each batch takes "
                    f"{self.n_img_per_domain}; "
                    "lower DATALOADER.TRAIN_X.BATCH_SIZE"
                )
        self.length = sum(1 for _ in self)

    def _batch_domains(self) -> list[int]:
        """Domains of the next batch."""
        raise NotImplementedError

    def __iter__(self) -> Iterator[int]:
        left = {domain: Remaining(positions) for domain, positions in self.groups.items()}
        order: list[int] = []
        enough = True
        while enough:
            for domain in self._batch_domains():
                slots = left[domain].sample(self.n_img_per_domain)
                left[domain].remove(slots)
                order += [self.groups[domain][slot] for slot in slots]
                enough = enough and len(left[domain]) >= self.n_img_per_domain
        return iter(order)

    def __len__(self) -> int:
        return self.length


class RandomDomainSampler(_DomainSampler):
    """``n_domain`` domains drawn for each batch, all when it is 0, with ``batch_size / n_domain``
    images each."""

    def __init__(self, data_source: Sequence[Any], batch_size: int, n_domain: int) -> None:
        super().__init__(data_source, batch_size, n_domain)

    def _batch_domains(self) -> list[int]:
        return random.sample(self.domains, self.n_domain)


class SeqDomainSampler(_DomainSampler):
    """All domains in ascending order in each batch, with equally many images each."""

    def __init__(self, data_source: Sequence[Any], batch_size: int) -> None:
        super().__init__(data_source, batch_size, n_domain=0)

    def _batch_domains(self) -> list[int]:
        return sorted(self.domains)


class RandomClassSampler(Sampler[int]):
    """Batches of ``batch_size // n_ins`` classes with ``n_ins`` images each.

    Classes with fewer images are filled up by drawing with replacement. An epoch ends when too few
    classes have images left.
    """

    def __init__(self, data_source: Sequence[Any], batch_size: int, n_ins: int) -> None:
        if batch_size < n_ins:
            raise UnavailableError(
                f"DATALOADER.TRAIN_X.N_INS {n_ins}: more than the batch size {batch_size}; lower "
                "N_INS"
            )
        self.n_ins = n_ins
        self.ncls_per_batch = batch_size // n_ins
        self.groups = _positions(data_source, "label")
        self.labels = list(self.groups)
        if len(self.labels) < self.ncls_per_batch:
            raise UserError(
                f"DATALOADER.TRAIN_X.BATCH_SIZE {batch_size}: takes {self.ncls_per_batch} classes "
                f"of N_INS {n_ins} "
                f"images each, and there are {len(self.labels)} classes; lower the batch size or "
                "raise N_INS"
            )
        self.length = sum(1 for _ in self)

    def _chunks(self, positions: list[int]) -> list[list[int]]:
        """One class's images in random order, cut into pieces of ``n_ins``; the last piece comes
        first."""
        drawn = list(positions)
        if len(drawn) < self.n_ins:
            drawn = np.random.choice(drawn, size=self.n_ins, replace=True).tolist()
        random.shuffle(drawn)
        whole = len(drawn) - len(drawn) % self.n_ins
        return [drawn[start : start + self.n_ins] for start in range(0, whole, self.n_ins)][::-1]

    def __iter__(self) -> Iterator[int]:
        chunks = [self._chunks(self.groups[label]) for label in self.labels]
        left = Remaining(self.labels)
        order: list[int] = []
        while len(left) >= self.ncls_per_batch:
            slots = left.sample(self.ncls_per_batch)
            for slot in slots:
                order += chunks[slot].pop()
            left.remove([slot for slot in slots if not chunks[slot]])
        return iter(order)

    def __len__(self) -> int:
        return self.length


def build_sampler(
    sampler_type: str,
    cfg: Any = None,  # noqa: ARG001  Dassl's signature
    data_source: Sequence[Any] | None = None,
    batch_size: int = 32,
    n_domain: int = 0,
    n_ins: int = 16,
) -> Sampler[int]:
    """The sampler ``sampler_type`` over a list of Datum. Raises ValueError on an unknown name."""
    images = data_source or []
    builders: dict[str, Callable[[], Sampler[int]]] = {
        "RandomSampler": lambda: RandomSampler(images),
        "SequentialSampler": lambda: SequentialSampler(images),
        "RandomDomainSampler": lambda: RandomDomainSampler(images, batch_size, n_domain),
        "SeqDomainSampler": lambda: SeqDomainSampler(images, batch_size),
        "RandomClassSampler": lambda: RandomClassSampler(images, batch_size, n_ins),
    }
    check_availability(sampler_type, list(builders))
    return builders[sampler_type]()
