"""Stanford Cars."""

from collections.abc import Iterable
from pathlib import Path

from dassl.data.datasets import DATASET_REGISTRY
from scipy.io import loadmat

from softcpt.data.base import Pool, TaskDataset
from softcpt.data.source import Source

ANNOTATIONS = {
    "trainval": ("cars_train", "devkit/cars_train_annos.mat"),
    "test": ("cars_test", "cars_test_annos_withlabels.mat"),
}


@DATASET_REGISTRY.register()
class StanfordCars(TaskDataset):
    """Cars by year, make and model: 196 classes. ``stanford_cars/cars_{train,test}/00001.jpg``.

    To draw a split ``devkit/`` and ``cars_test_annos_withlabels.mat`` are needed.
    """

    dataset_dir = "stanford_cars"
    split_files = ("split_zhou_StanfordCars.json", "split_dk_StanfordCars.json")
    rule = "trainval"
    task_name = "car image classification"
    num_classes = 196
    sizes = (6509, 1635, 8041)
    sources = (
        Source(
            "rickyyyyyyy/torchvision-stanford-cars",
            "torchvision-stanford-cars.zip",
            "kaggle",
            unpack_to="..",
            gives="cars_train",
            note="the publisher's own links are dead; the archive's folder is stanford_cars/",
        ),
        Source("1ObCFbaAgVu0I-k_Au-gIUcefirdAuizT", "split_zhou_StanfordCars.json", "gdrive"),
    )
    licence = "non-commercial research"
    citation = "Krause et al.: 3D object representations for fine-grained categorization. ICCV Workshop 2013"
    homepage = "https://www.kaggle.com/datasets/rickyyyyyyy/torchvision-stanford-cars"

    @classmethod
    def image_folder(cls, folder: Path) -> Path:
        """The data set's folder: its split's paths name the folders in it."""
        inner = folder / cls.dataset_dir
        return inner if (inner / "cars_train").is_dir() else folder

    def pools(self, folder: Path, images: Path) -> Iterable[Pool]:
        """The annotations of the development kit; the year stands last in a name there and first
        here, as in CoOp."""
        meta = loadmat(self.needed(images / "devkit/cars_meta.mat"))["class_names"][0]
        names = [
            " ".join((words[-1], *words[:-1]))
            for words in (str(name[0]).split(" ") for name in meta)
        ]
        for part, (inner, file) in ANNOTATIONS.items():
            rows = loadmat(self.needed(images / file))["annotations"][0]
            labelled = ((str(row["fname"][0]), int(row["class"][0, 0]) - 1) for row in rows)
            yield Pool(
                part, [(f"{inner}/{image}", label, names[label]) for image, label in labelled]
            )
