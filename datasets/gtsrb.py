"""GTSRB: German traffic signs."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator
from pathlib import Path

from dassl.data.datasets import DATASET_REGISTRY

from softcpt.data.base import Pool, Row
from softcpt.data.elevater import ElevaterDataset
from softcpt.data.elevater_folders import below
from softcpt.data.source import Source

ERDA = "https://sid.erda.dk/public/archives/daaeac0d7ce1152aea9b61d9f1e19370"
TRAINING = ("Training", "Final_Training/Images", "Train", "train")
ONLINE = ("Online-Test-sort", "Online-Test-Images-Sorted", "Online-Test-sorted")
LISTS = ("GT-final_test.csv", "Test.csv")
TESTING = ("Final_Test/Images", "Test", "test")


@DATASET_REGISTRY.register()
class GTSRB(ElevaterDataset):
    """Photos of traffic signs: 43 classes.

    ``gtsrb/GTSRB/Training/00000/*.ppm``, ``gtsrb/GTSRB/Final_Test/Images/00000.ppm`` and
    ``GT-final_test.csv``; validation images, which no run needs, are the sorted online test set. Or
    Kaggle's ``Train/0/*.png``, ``Test/*.png`` and ``Test.csv``, the final training set of 39,209
    images (ELEVATER's training and validation images together), and class folders in ``train`` and
    ``test``.
    """

    key = "gtsrb"
    skips_wrappers = False
    dataset_dir = "gtsrb"
    sources = (
        Source(
            f"{ERDA}/GTSRB-Training_fixed.zip",
            "GTSRB-Training_fixed.zip",
            md5="513f3c79a4c5141765e10e952eaa2478",
            unpack_to=".",
            gives="GTSRB/Training",
        ),
        Source(
            f"{ERDA}/GTSRB_Final_Test_Images.zip",
            "GTSRB_Final_Test_Images.zip",
            md5="c7e4e6327067d32654124b0fe9e82185",
            unpack_to=".",
            gives="GTSRB/Final_Test",
        ),
        Source(
            f"{ERDA}/GTSRB_Final_Test_GT.zip",
            "GTSRB_Final_Test_GT.zip",
            md5="fe31e9c9270bbcd7b84b7f21a9d9d9e5",
            unpack_to=".",
            gives="GT-final_test.csv",
        ),
        Source(
            f"{ERDA}/GTSRB_Online-Test-Images-Sorted.zip",
            "GTSRB_Online-Test-Images-Sorted.zip",
            md5="b7bba7dad2a4dc4bc54d6ba2716d163b",
            unpack_to=".",
            gives="GTSRB/Online-Test-sort",
        ),
    )
    licence = "CC0 1.0"
    citation = "Stallkamp, Schlipsing, Salmen, Igel: Man vs. computer. Neural Networks 2012"
    homepage = "https://benchmark.ini.rub.de/gtsrb_news.html"

    def pools(self, folder: Path, images: Path) -> Iterable[Pool]:
        """Class folders of training and validation images, and a list of test images."""
        places = list(below(folder))
        lists = [place / name for name in LISTS for place in places if (place / name).is_file()]
        if not lists:
            yield from super().pools(folder, images)
            return
        for part, names in (("train", TRAINING), ("val", ONLINE)):
            found = next(
                (place / name for name in names for place in places if (place / name).is_dir()),
                None,
            )
            if found is not None:
                yield Pool(part, list(self.class_rows(found, images)))
        yield Pool("test", list(self._tested(lists[0], places, images)))

    @staticmethod
    def _tested(path: Path, places: list[Path], images: Path) -> Iterator[Row]:
        """The rows of a list: file name and class, with semicolons in the publisher's file and
        commas in Kaggle's."""
        with open(path, newline="", encoding="utf-8-sig") as file:
            head = file.readline()
            file.seek(0)
            rows = list(csv.DictReader(file, delimiter=";" if ";" in head else ","))
        names = [
            (row.get("Filename") or row["Path"]).replace("\\", "/").rpartition("/")[2]
            for row in rows
        ]
        inner = [
            place / name
            for name in TESTING
            for place in places
            if (place / name / names[0]).is_file()
        ]
        where = next(iter(inner), path.parent).relative_to(images).as_posix()
        for name, row in zip(names, rows):
            yield f"{where}/{name}".removeprefix("./"), int(row["ClassId"]), ""
