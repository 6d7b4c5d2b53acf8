"""SUN397."""

from collections.abc import Iterable
from pathlib import Path

from dassl.data.datasets import DATASET_REGISTRY

from softcpt.data.base import Pool, TaskDataset
from softcpt.data.coop_mirror import coop_split, mirrored
from softcpt.data.source import Source


@DATASET_REGISTRY.register()
class SUN397(TaskDataset):
    """Scenes: 397 classes. ``sun397/SUN397/<letter>/<class>[/indoor]/sun_aaa.jpg``.

    To draw a split ``ClassName.txt``, ``Training_01.txt`` and ``Testing_01.txt`` are needed beside
    ``SUN397``.
    """

    dataset_dir = "sun397"
    image_dir = "SUN397"
    split_files = ("split_zhou_SUN397.json", "split_dk_SUN397.json")
    rule = "trainval"
    task_name = "scene image classification"
    num_classes = 397
    sizes = (15880, 3970, 19850)
    sources = (
        Source(
            "http://vision.princeton.edu/projects/2010/SUN/SUN397.tar.gz",
            "SUN397.tar.gz",
            md5="8ca2778205c41d23104230ba66911c7a",
            unpack_to=".",
            gives="SUN397",
            note="37 GB; often out of reach: any copy of SUN397.tar.gz with this checksum will do",
        ),
        Source(
            "https://vision.princeton.edu/projects/2010/SUN/download/Partitions.zip",
            "Partitions.zip",
            sha256="e3311ea5f812d4cc6faef194688343d1111f6cd6f70f2c62f393c2b8d6ba1ec9",
            unpack_to=".",
            gives="Training_01.txt",
            note="only needed to draw a split",
        ),
        coop_split("1y2RD81BYuiyvebdN-JymPfyWYcd8_MUq", "split_zhou_SUN397.json"),
        *mirrored("sun397", "SUN397", "split_zhou_SUN397.json"),
    )
    licence = "research use"
    citation = (
        "Xiao, Hays, Ehinger, Oliva, Torralba: SUN database: large-scale scene recognition. CVPR "
        "2010"
    )
    homepage = "https://vision.princeton.edu/projects/2010/SUN/"

    @classmethod
    def image_folder(cls, folder: Path) -> Path:
        """The folder of the letters; a part of the set may have a single one."""
        images = folder / cls.image_dir
        inner = images / cls.image_dir
        return inner if inner.is_dir() else images

    def pools(self, folder: Path, images: Path) -> Iterable[Pool]:
        """The first official partition. "/a/apse/indoor" is "indoor apse"."""
        lists = folder
        labels = {name: label for label, name in enumerate(self.lines(lists / "ClassName.txt"))}
        for part, file in (("trainval", "Training_01.txt"), ("test", "Testing_01.txt")):
            paths = [(path, path.rpartition("/")[0]) for path in self.lines(lists / file)]
            yield Pool(
                part, [(path.lstrip("/"), labels[name], self._words(name)) for path, name in paths]
            )

    @staticmethod
    def _words(folder: str) -> str:
        return " ".join(reversed(folder.strip("/").split("/")[1:]))
