"""An image with its labels, and the base of all data sets."""

from __future__ import annotations

import os
import random
import shutil
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any, Literal

from dassl.utils import MissingImageError, UnavailableError, download_url

from softcpt.utils.files import atomic_write


class Datum:
    """An image file, its class, its domain and its class's name.

    Raises MissingImageError (a UserError and an AssertionError) when there is no such file.
    """

    def __init__(
        self, impath: str = "", label: int = 0, domain: int = 0, classname: str = ""
    ) -> None:
        if not isinstance(impath, str) or not os.path.isfile(impath):
            raise MissingImageError(f"image {impath!r}: no such file; is the data set complete?")
        self._impath, self._label, self._domain, self._classname = impath, label, domain, classname

    @property
    def impath(self) -> str:
        """Path of the image."""
        return self._impath

    @property
    def label(self) -> int:
        """Class index."""
        return self._label

    @property
    def domain(self) -> int:
        """Domain index; in multi-task data sets the task."""
        return self._domain

    @property
    def classname(self) -> str:
        """Name of the class."""
        return self._classname


class DatasetBase:
    """Lists of Datum for training (labelled and unlabelled), validation and test.

    Class names and their number are those of the labelled training images.
    """

    dataset_dir = ""  # folder below DATASET.ROOT
    domains: Sequence[str] = []  # names of all domains

    def __init__(
        self,
        train_x: list[Datum] | None = None,
        train_u: list[Datum] | None = None,
        val: list[Datum] | None = None,
        test: list[Datum] | None = None,
    ) -> None:
        self._train_x, self._train_u, self._val, self._test = train_x, train_u, val, test
        labelled = train_x or []
        self._lab2cname, self._classnames = self.get_lab2cname(labelled)
        self._num_classes = self.get_num_classes(labelled)

    @property
    def train_x(self) -> list[Datum] | None:
        """Labelled training images."""
        return self._train_x

    @property
    def train_u(self) -> list[Datum] | None:
        """Unlabelled training images."""
        return self._train_u

    @property
    def val(self) -> list[Datum] | None:
        """Validation images."""
        return self._val

    @property
    def test(self) -> list[Datum] | None:
        """Test images."""
        return self._test

    @property
    def lab2cname(self) -> dict[int, str]:
        """Label -> class name."""
        return self._lab2cname

    @property
    def classnames(self) -> list[str]:
        """Class names in label order."""
        return self._classnames

    @property
    def num_classes(self) -> int:
        """Largest label plus one."""
        return self._num_classes

    @staticmethod
    def get_num_classes(data_source: Iterable[Datum]) -> int:
        """Largest label plus one."""
        return max(item.label for item in data_source) + 1

    @staticmethod
    def get_lab2cname(data_source: Iterable[Datum]) -> tuple[dict[int, str], list[str]]:
        """Label -> class name, and the class names in label order."""
        names = {item.label: item.classname for item in data_source}
        return names, [names[label] for label in sorted(names)]

    def check_input_domains(
        self, source_domains: Sequence[str], target_domains: Sequence[str]
    ) -> None:
        """Raise unless both are non-empty and hold known domains only."""
        for key, given in (("SOURCE_DOMAINS", source_domains), ("TARGET_DOMAINS", target_domains)):
            if not given:
                raise AssertionError(f"DATASET.{key}: empty; choose from {list(self.domains)}")
            self.is_input_domain_valid(given)

    def is_input_domain_valid(self, input_domains: Sequence[str]) -> None:
        """Raise ValueError on a domain that this data set does not have."""
        unknown = [domain for domain in input_domains if domain not in self.domains]
        if unknown:
            raise UnavailableError(f"domains {unknown}: not among {list(self.domains)}")

    def download_data(self, url: str, dst: str, from_gdrive: bool = True) -> None:
        """Download an archive to ``dst`` and unpack it beside itself."""
        if from_gdrive:
            import gdown

            with atomic_write(dst) as temporary:
                gdown.download(url, str(temporary), quiet=False)
        else:
            download_url(url, dst)
        print(f"unpacking {dst}")
        # Zip archives cannot leave the folder; tar archives can unless they are filtered.
        kept_inside: Literal["data"] | None = None if dst.endswith(".zip") else "data"
        shutil.unpack_archive(dst, os.path.dirname(dst), filter=kept_inside)

    def generate_fewshot_dataset(
        self, *data_sources: list[Datum], num_shots: int = -1, repeat: bool = False
    ) -> Any:
        """Draw ``num_shots`` images per class from each list, with python's global generator.

        Classes are visited in the order of their first image. A class with too few gives all it
        has, or with ``repeat`` draws with replacement. Below 1 shot nothing is drawn. One list in,
        one list out; several, a list of lists.
        """
        if num_shots < 1:
            return data_sources[0] if len(data_sources) == 1 else data_sources
        print(f"drawing {num_shots} images per class")
        drawn = [self._draw(source, num_shots, repeat) for source in data_sources]
        return drawn[0] if len(drawn) == 1 else drawn

    def _draw(self, source: list[Datum], num_shots: int, repeat: bool) -> list[Datum]:
        """The few-shot subset of one list."""
        chosen: list[Datum] = []
        for items in self.split_dataset_by_label(source).values():
            if num_shots > len(items):
                chosen += random.choices(items, k=num_shots) if repeat else items
            else:
                chosen += random.sample(items, num_shots)
        return chosen

    def split_dataset_by_label(self, data_source: Iterable[Datum]) -> dict[int, list[Datum]]:
        """Label -> its images, labels in the order of their first image."""
        return _grouped(data_source, by="label")

    def split_dataset_by_domain(self, data_source: Iterable[Datum]) -> dict[int, list[Datum]]:
        """Domain -> its images, domains in the order of their first image."""
        return _grouped(data_source, by="domain")


def _grouped(items: Iterable[Datum], by: str) -> dict[int, list[Datum]]:
    """Value of the property ``by`` -> the items that have it, in first-seen order."""
    groups: dict[int, list[Datum]] = defaultdict(list)
    for item in items:
        groups[getattr(item, by)].append(item)
    return groups
