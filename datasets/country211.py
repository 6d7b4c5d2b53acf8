"""Country211."""

from dassl.data.datasets import DATASET_REGISTRY

from softcpt.data.elevater import ElevaterDataset
from softcpt.data.source import Source


@DATASET_REGISTRY.register()
class Country211(ElevaterDataset):
    """Photos by the country they were taken in: 211 classes. ``country211/{train,valid,test}/<ISO
    code>/*.jpg``."""

    key = "country211"
    dataset_dir = "country211"
    sources = (
        Source(
            "https://openaipublic.azureedge.net/clip/data/country211.tgz",
            "country211.tgz",
            md5="84988d7644798601126c29e9877aab6a",
            unpack_to="..",
            gives="train",
        ),
    )
    licence = "the photographers', Creative Commons licences of YFCC100M"
    citation = (
        "Radford et al.: Learning transferable visual models from natural language supervision. "
        "ICML 2021"
    )
    homepage = "https://github.com/openai/CLIP/blob/main/data/country211.md"
