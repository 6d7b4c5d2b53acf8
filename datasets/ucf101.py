"""UCF101."""

import re
from collections.abc import Iterable
from pathlib import Path

from dassl.data.datasets import DATASET_REGISTRY

from softcpt.data.base import Pool, Row, TaskDataset
from softcpt.data.coop_mirror import coop_split, mirrored
from softcpt.data.source import Source


@DATASET_REGISTRY.register()
class UCF101(TaskDataset):
    """Middle frames of videos of people: 101 actions.

    ``ucf101/UCF-101-midframes/Apply_Eye_Makeup/v_ApplyEyeMakeup_g01_c01.jpg``.
    To draw a split ``ucfTrainTestlist/`` is needed beside it.
    """

    dataset_dir = "ucf101"
    image_dir = "UCF-101-midframes"
    split_files = ("split_zhou_UCF101.json", "split_dk_UCF101.json")
    rule = "trainval"
    task_name = "human action image classification"
    template = "a photo of a person doing {}."
    num_classes = 101
    sizes = (7639, 1898, 3783)
    sources = (
        Source(
            "10Jqome3vtUA2keJkNanAiFpgbyC9Hc2O",
            "UCF-101-midframes.zip",
            "gdrive",
            unpack_to=".",
            gives="UCF-101-midframes",
        ),
        Source(
            "https://www.crcv.ucf.edu/data/UCF101/UCF101TrainTestSplits-RecognitionTask.zip",
            "UCF101TrainTestSplits-RecognitionTask.zip",
            sha256="5c0d1a53b8ed364a2ac830a73f405e51bece7d98ce1254fd19ed4a36b224bd27",
            unpack_to=".",
            gives="ucfTrainTestlist",
            note="only needed to draw a split",
        ),
        coop_split("1I0S0q91hJfsV9Gf4xDIjgDq4AqBNJb1y", "split_zhou_UCF101.json"),
        *mirrored("ucf101", "UCF-101-midframes", "split_zhou_UCF101.json"),
    )
    citation = (
        "Soomro, Zamir, Shah: UCF101: a dataset of 101 human action classes from videos in the "
        "wild. arXiv:1212.0402"
    )
    homepage = "https://www.crcv.ucf.edu/data/UCF101.php"

    def pools(self, folder: Path, images: Path) -> Iterable[Pool]:
        """The first official lists of videos, ``ApplyEyeMakeup/v_ApplyEyeMakeup_g01_c01.avi``."""
        lists = images.parent / "ucfTrainTestlist"
        numbered = (line.split(" ") for line in self.lines(lists / "classInd.txt"))
        labels = {action: int(number) - 1 for number, action in numbered}
        for part, file in (("trainval", "trainlist01.txt"), ("test", "testlist01.txt")):
            yield Pool(
                part, [self._row(line.split(" ")[0], labels) for line in self.lines(lists / file)]
            )

    @staticmethod
    def _row(video: str, labels: dict[str, int]) -> Row:
        action, _, file = video.partition("/")
        name = "_".join(re.findall("[A-Z][^A-Z]*", action))
        return f"{name}/{file.replace('.avi', '.jpg')}", labels[action], name
