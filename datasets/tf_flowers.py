"""Five flowers of TensorFlow's tutorials."""

from dassl.data.datasets import DATASET_REGISTRY

from softcpt.data.photo16 import FixedSplitDataset
from softcpt.data.source import Source


@DATASET_REGISTRY.register()
class TFFlowers(FixedSplitDataset):
    """Photos of daisies, dandelions, roses, sunflowers and tulips: 5 classes.
    ``flower_photos/daisy/*.jpg``."""

    dataset_dir = "flower_photos"
    aliases = ("tf_flowers",)
    renamed = {"roses": "rose", "sunflowers": "sunflower", "tulips": "tulip"}
    task_name = "flower image classification"
    template = "a photo of a {}, a type of flower."
    num_classes = 5
    images = 3670
    sources = (
        Source(
            "https://storage.googleapis.com/download.tensorflow.org/example_images/flower_photos.tgz",
            "flower_photos.tgz",
            sha256="4c54ace7911aaffe13a365c34f650e71dd5bf1be0a58b464e5a7183e3e595d9c",
            unpack_to="..",
            gives="daisy",
        ),
    )
    licence = "CC BY 2.0 (LICENSE.txt in the archive)"
    citation = "The TensorFlow team: Flowers. 2019"
    homepage = "https://www.tensorflow.org/datasets/catalog/tf_flowers"
