"""UC Merced Land Use."""

from dassl.data.datasets import DATASET_REGISTRY

from softcpt.data.scenes import SceneDataset
from softcpt.data.source import Source


@DATASET_REGISTRY.register()
class UCMerced(SceneDataset):
    """Land use in US cities, 256 x 256 pixels: 21 classes of 100.
    ``UCMerced_LandUse/Images/<class>/<class>00.tif``."""

    dataset_dir = "UCMerced_LandUse"
    aliases = ("UCMerced", "UCM")
    renamed = {
        "baseballdiamond": "baseball diamond",
        "denseresidential": "dense residential",
        "golfcourse": "golf course",
        "mediumresidential": "medium residential",
        "mobilehomepark": "mobile home park",
        "parkinglot": "parking lot",
        "sparseresidential": "sparse residential",
        "storagetanks": "storage tanks",
        "tenniscourt": "tennis court",
    }
    task_name = "urban land use image classification"
    num_classes = 21
    sizes = (1050, 420, 630)
    sources = (
        Source(
            "https://huggingface.co/datasets/torchgeo/ucmerced/resolve/main/UCMerced_LandUse.zip",
            "UCMerced_LandUse.zip",
            md5="5b7ec56793786b6dc8a908e8854ac0e4",
            unpack_to="..",
            gives="Images",
        ),
    )
    licence = "public domain (USGS images)"
    citation = (
        "Yang, Newsam: Bag-of-visual-words and spatial extensions for land-use classification. ACM "
        "GIS 2010"
    )
    homepage = "http://weegee.vision.ucmerced.edu/datasets/landuse.html"
