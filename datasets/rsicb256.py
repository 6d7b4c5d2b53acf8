"""RSI-CB256."""

from dassl.data.datasets import DATASET_REGISTRY

from softcpt.data.scenes import SceneDataset
from softcpt.data.source import Source


@DATASET_REGISTRY.register()
class RSICB256(SceneDataset):
    """Scenes found with crowd-sourced maps, 256 x 256 pixels: 35 classes under seven headings.

    ``RSI-CB256/<heading>/<class>/<class>(1).tif``; without the headings it is read too.
    """

    dataset_dir = "RSI-CB256"
    leaves = True
    renamed = {"parkinglot": "parking lot", "sandbeach": "sand beach"}
    task_name = "large crowd-sourced scene image classification"
    num_classes = 35
    images = 24747
    sources = (
        Source(
            "https://github.com/lehaifeng/RSI-CB",
            "RSI-CB256.zip",
            "manual",
            unpack_to=".",
            note=(
                "the links are on the publisher's page; unpack the folder of classes into "
                "RSI-CB256/"
            ),
        ),
    )
    licence = "research use"
    citation = (
        "Li et al.: RSI-CB: a large-scale remote sensing image classification benchmark. Sensors "
        "2020"
    )
    homepage = "https://github.com/lehaifeng/RSI-CB"
