"""Rendered SST2."""

from dassl.data.datasets import DATASET_REGISTRY

from softcpt.data.elevater import ElevaterDataset
from softcpt.data.source import Source


@DATASET_REGISTRY.register()
class RenderedSST2(ElevaterDataset):
    """Sentences of film reviews as pictures.
    ``rendered-sst2/{train,valid,test}/{negative,positive}/*.png``."""

    key = "rendered-sst2"
    dataset_dir = "rendered-sst2"
    sources = (
        Source(
            "https://openaipublic.azureedge.net/clip/data/rendered-sst2.tgz",
            "rendered-sst2.tgz",
            md5="2384d08e9dcfa4bd55b324e610496ee5",
            unpack_to="..",
            gives="train",
        ),
    )
    licence = "not stated"
    citation = (
        "Radford et al.: Learning transferable visual models from natural language supervision. "
        "ICML 2021"
    )
    homepage = "https://github.com/openai/CLIP/blob/main/data/rendered-sst2.md"
