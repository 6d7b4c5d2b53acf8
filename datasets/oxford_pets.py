"""Oxford-IIIT Pets."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import ClassVar

from dassl.data.datasets import DATASET_REGISTRY

from softcpt.data.base import Pool, Row, TaskDataset
from softcpt.data.coop_helpers import PetsHelpers
from softcpt.data.coop_mirror import coop_split, mirrored
from softcpt.data.pool_reader import PoolReader
from softcpt.data.source import Source

VGG = "https://www.robots.ox.ac.uk/~vgg/data/pets/data/"


class PetsImages(PoolReader):
    """Photos of cats and dogs, with official lists."""

    dataset_dir = "oxford_pets"
    image_dir = "images"
    sources: ClassVar[tuple[Source, ...]] = (
        Source(
            f"{VGG}images.tar.gz",
            "images.tar.gz",
            md5="5c4f3ee8e5d25df40f4fd59a7f44e54c",
            unpack_to=".",
            gives="images",
        ),
        Source(
            f"{VGG}annotations.tar.gz",
            "annotations.tar.gz",
            md5="95a8c909bbe2e81eed6a22bccdf3f68f",
            unpack_to=".",
            gives="annotations",
        ),
    )
    licence = "CC BY-SA 4.0"
    citation = "Parkhi, Vedaldi, Zisserman, Jawahar: Cats and dogs. CVPR 2012"
    homepage = "https://www.robots.ox.ac.uk/~vgg/data/pets/"

    def listed(self, images: Path) -> Iterator[Pool]:
        """The official lists: a line begins with the image's name, ``Breed_number``, and the class
        counted from 1."""
        for part in ("trainval", "test"):
            lines = self.lines(images.parent / "annotations" / f"{part}.txt")
            yield Pool(part, [self._row(*line.split(" ")[:2]) for line in lines])

    @staticmethod
    def _row(image: str, label: str) -> Row:
        return f"{image}.jpg", int(label) - 1, image.rpartition("_")[0].lower()


@DATASET_REGISTRY.register()
class OxfordPets(PetsImages, PetsHelpers, TaskDataset):
    """Cats and dogs by breed: 37 classes. ``oxford_pets/images/Abyssinian_1.jpg``.

    To draw a split ``annotations/{trainval,test}.txt`` are needed.
    """

    split_files = ("split_zhou_OxfordPets.json", "split_dk_OxfordPets.json")
    rule = "trainval"
    task_name = "pet image classification"
    metric = "mean_per_class"
    template = "a photo of a {}, a type of pet."
    num_classes = 37
    sizes = (2944, 736, 3669)
    sources = (
        *PetsImages.sources,
        coop_split("1501r8Ber4nNKvmlFVQZ8SeUHTcdTTEqs", "split_zhou_OxfordPets.json"),
        *mirrored("oxford_pets", "images", "split_zhou_OxfordPets.json"),
    )

    def pools(self, folder: Path, images: Path) -> Iterable[Pool]:
        """The official lists, the first of which is for training and validation."""
        return self.listed(images)
