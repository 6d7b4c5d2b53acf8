"""RSI-CB128."""

from dassl.data.datasets import DATASET_REGISTRY

from softcpt.data.scenes import SceneDataset
from softcpt.data.source import Source


@DATASET_REGISTRY.register()
class RSICB128(SceneDataset):
    """Scenes found with crowd-sourced maps, 128 x 128 pixels: 45 classes under six headings.

    ``RSI-CB128/<heading>/<class>/<class>(1).tif``; without the headings it is read too.
    """

    dataset_dir = "RSI-CB128"
    leaves = True
    renamed = {"parkinglot": "parking lot", "sandbeach": "sand beach"}
    task_name = "crowd-sourced scene image classification"
    num_classes = 45
    images = 36707
    sources = (
        Source(
            "noamaanabdulazeem/myfile",
            "myfile.zip",
            "kaggle",
            unpack_to=".",
            gives="RSI-CB128",
            note="the publisher's page: https://github.com/lehaifeng/RSI-CB",
        ),
    )
    licence = "research use"
    citation = (
        "Li et al.: RSI-CB: a large-scale remote sensing image classification benchmark. Sensors "
        "2020"
    )
    homepage = "https://github.com/lehaifeng/RSI-CB"
