"""FGVC-Aircraft."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import ClassVar

from dassl.data.datasets import DATASET_REGISTRY

from softcpt.data.base import Pool, TaskDataset
from softcpt.data.coop_mirror import mirrored
from softcpt.data.pool_reader import PoolReader
from softcpt.data.source import Source

LISTS = tuple(f"images_variant_{part}.txt" for part in ("train", "val", "test"))
ARCHIVE = "https://www.robots.ox.ac.uk/~vgg/data/fgvc-aircraft/archives/fgvc-aircraft-2013b.tar.gz"


class AircraftImages(PoolReader):
    """Photos of aircraft, with official lists."""

    dataset_dir = "fgvc_aircraft"
    image_dir = "images"
    sources: ClassVar[tuple[Source, ...]] = (
        Source(
            ARCHIVE,
            "fgvc-aircraft-2013b.tar.gz",
            sha256="e4e323d410e29f0370c81eabdcbb0e2b813acea1de22891b70b58ff41bfc9834",
            unpack_to=".",
            gives="images",
            rename=tuple(
                (f"fgvc-aircraft-2013b/data/{name}", name)
                for name in ("images", "variants.txt", *LISTS)
            ),
        ),
    )
    licence = "non-commercial research"
    citation = (
        "Maji, Rahtu, Kannala, Blaschko, Vedaldi: Fine-grained visual classification of aircraft. "
        "arXiv:1306.5151"
    )
    homepage = "https://www.robots.ox.ac.uk/~vgg/data/fgvc-aircraft/"

    def listed(self, images: Path) -> Iterator[Pool]:
        """The official lists: a line is an image's number and its variant, which may have
        blanks."""
        lists = images.parent
        labels = {name: label for label, name in enumerate(self.lines(lists / "variants.txt"))}
        for part, name in zip(("train", "val", "test"), LISTS):
            rows = []
            for line in self.lines(lists / name):
                image, variant = line.split(" ", 1)
                rows.append((f"{image}.jpg", labels[variant], variant))
            yield Pool(part, rows)


@DATASET_REGISTRY.register()
class FGVCAircraft(AircraftImages, TaskDataset):
    """Aircraft by variant: 100 classes in the order of ``variants.txt``, with official lists.

    ``fgvc_aircraft/images/0034309.jpg``; the folder is the archive's ``data``.
    """

    rule = "official"
    task_name = "aircraft image classification"
    metric = "mean_per_class"
    template = "a photo of a {}, a type of aircraft."
    num_classes = 100
    sizes = (3334, 3333, 3333)
    sources = (*AircraftImages.sources, *mirrored("fgvc_aircraft", "images"))

    def pools(self, folder: Path, images: Path) -> Iterable[Pool]:
        """The official lists."""
        return self.listed(images)
