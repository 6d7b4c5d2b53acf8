"""PASCAL VOC 2007, its classification task."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from dassl.data.datasets import DATASET_REGISTRY

from softcpt.data.base import Pool, Row
from softcpt.data.elevater import ElevaterDataset
from softcpt.data.elevater_folders import below
from softcpt.data.source import Source
from softcpt.errors import UserError

VOC = "http://host.robots.ox.ac.uk/pascal/VOC/voc2007"


@DATASET_REGISTRY.register()
class VOC2007(ElevaterDataset):
    """Scenes with objects of 20 classes, of which an image may have several.
    ``VOCdevkit/VOC2007/JPEGImages/*.jpg``.

    The lists ``ImageSets/Main/<class>_{train,val,test}.txt`` say 1 where the class is there, -1
    where not, and 0 where it is there, but difficult to recognise: that counts for an image which
    has no other. Training and test archives may lie in one folder or in two.
    """

    key = "voc-2007-classification"
    skips_wrappers = False
    dataset_dir = "VOCdevkit"
    aliases = ("VOC2007", "VOC", "pascal_voc_2007")
    sources = tuple(
        Source(
            f"{VOC}/VOC{name}_06-Nov-2007.tar",
            f"VOC{name}_06-Nov-2007.tar",
            md5=md5,
            unpack_to="..",
            gives=f"VOC2007/ImageSets/Main/aeroplane_{name}.txt",
        )
        for name, md5 in (
            ("trainval", "c52e279531787c972589f7e41ab4ae64"),
            ("test", "b6e924de25625d8de591ea690078ad9f"),
        )
    )
    licence = "the photographers', flickr terms of use"
    citation = (
        "Everingham, Van Gool, Williams, Winn, Zisserman: The PASCAL visual object classes "
        "challenge. IJCV 2010"
    )
    homepage = "http://host.robots.ox.ac.uk/pascal/VOC/voc2007/"

    def pools(self, folder: Path, images: Path) -> Iterable[Pool]:
        """A row for each class of an image."""
        years = [place for place in below(folder, depth=4) if (place / "ImageSets/Main").is_dir()]
        # Other years may lie beside it.
        years = [year for year in years if year.name.upper() == "VOC2007"] or years
        for part in ("train", "val", "test"):
            wanted = f"ImageSets/Main/aeroplane_{part}.txt"
            year = next((year for year in years if (year / wanted).is_file()), None)
            if year is None:
                raise UserError(f"data set {self.name()}: no {wanted} in {folder}; {self.advice}")
            prefix = (year / "JPEGImages").relative_to(images).as_posix()
            yield Pool(part, list(self._rows(year, part, prefix)))

    def _rows(self, year: Path, part: str, prefix: str) -> Iterator[Row]:
        marks: dict[str, list[int]] = {}  # image -> a mark for every class
        for name in self.classes:
            for line in self.lines(year / f"ImageSets/Main/{name}_{part}.txt"):
                image, mark = line.split()
                marks.setdefault(image, []).append(int(mark))
        for image, own in marks.items():
            best = max(own)
            for label, value in enumerate(own):
                if value == best and best >= 0:
                    yield f"{prefix}/{image}.jpg", label, ""
