"""Stanford Cars."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import ClassVar

from dassl.data.datasets import DATASET_REGISTRY
from scipy.io import loadmat

from softcpt.data.base import Pool, TaskDataset
from softcpt.data.coop_mirror import coop_split, mirrored
from softcpt.data.pool_reader import PoolReader
from softcpt.data.source import Source

ANNOTATIONS = {
    "trainval": ("cars_train", "devkit/cars_train_annos.mat"),
    "test": ("cars_test", "cars_test_annos_withlabels.mat"),
}


class CarsImages(PoolReader):
    """Photos of cars, with annotations in a development kit."""

    dataset_dir = "stanford_cars"
    sources: ClassVar[tuple[Source, ...]] = (
        Source(
            "rickyyyyyyy/torchvision-stanford-cars",
            "torchvision-stanford-cars.zip",
            "kaggle",
            unpack_to="..",
            gives="cars_train",
            note="the publisher's own links are dead; the archive's folder is stanford_cars/",
        ),
    )
    licence = "non-commercial research"
    citation = (
        "Krause et al.: 3D object representations for fine-grained categorization. ICCV Workshop "
        "2013"
    )
    homepage = "https://www.kaggle.com/datasets/rickyyyyyyy/torchvision-stanford-cars"

    @classmethod
    def image_folder(cls, folder: Path) -> Path:
        """The data set's folder: its split's paths name the folders in it."""
        inner = folder / cls.dataset_dir
        return inner if (inner / "cars_train").is_dir() else folder

    def annotated(self, images: Path) -> Iterator[Pool]:
        """The annotations of the development kit: file, label and name, "Make Model 2012"."""
        meta = loadmat(self.needed(images / "devkit/cars_meta.mat"))["class_names"][0]
        names = [str(name[0]) for name in meta]
        for part, (inner, file) in ANNOTATIONS.items():
            rows = []
            for row in loadmat(self.needed(images / file))["annotations"][0]:
                label = int(row["class"][0, 0]) - 1
                rows.append((f"{inner}/{row['fname'][0]}", label, names[label]))
            yield Pool(part, rows)


@DATASET_REGISTRY.register()
class StanfordCars(CarsImages, TaskDataset):
    """Cars by year, make and model: 196 classes. ``stanford_cars/cars_{train,test}/00001.jpg``.

    To draw a split ``devkit/`` and ``cars_test_annos_withlabels.mat`` are needed.
    """

    split_files = ("split_zhou_StanfordCars.json", "split_dk_StanfordCars.json")
    rule = "trainval"
    task_name = "car image classification"
    num_classes = 196
    sizes = (6509, 1635, 8041)
    sources = (
        *CarsImages.sources,
        coop_split("1ObCFbaAgVu0I-k_Au-gIUcefirdAuizT", "split_zhou_StanfordCars.json"),
        *mirrored("stanford_cars", "cars_train", "split_zhou_StanfordCars.json"),
    )

    def pools(self, folder: Path, images: Path) -> Iterable[Pool]:
        """The annotations; the year comes first in a name here, as in CoOp."""
        for part, rows in self.annotated(images):
            yield Pool(part, [(image, label, _year_first(name)) for image, label, name in rows])


def _year_first(name: str) -> str:
    *make_and_model, year = name.split(" ")
    return " ".join((year, *make_and_model))
