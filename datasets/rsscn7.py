"""RSSCN7."""

from dassl.data.datasets import DATASET_REGISTRY

from softcpt.data.scenes import SceneDataset
from softcpt.data.source import Source


@DATASET_REGISTRY.register()
class RSSCN7(SceneDataset):
    """Scenes in several seasons and weathers, 400 x 400 pixels: 7 classes of 400.
    ``RSSCN7/aGrass/a001.jpg``."""

    dataset_dir = "RSSCN7"
    aliases = ("RSSCN7-master",)
    renamed = {
        "aGrass": "grass",
        "bField": "field",
        "cIndustry": "industry",
        "dRiverLake": "river or lake",
        "eForest": "forest",
        "fResident": "residential area",
        "gParking": "parking lot",
        # Kaggle's copy leaves the leading letters away.
        "RiverLake": "river or lake",
        "Resident": "residential area",
        "Parking": "parking lot",
    }
    task_name = "land cover image classification"
    num_classes = 7
    sizes = (1400, 560, 840)
    sources = (
        Source(
            "https://github.com/palewithout/RSSCN7/archive/refs/heads/master.zip",
            "RSSCN7.zip",
            unpack_to=".",
            gives="RSSCN7-master",
        ),
    )
    licence = "research use"
    citation = (
        "Zou et al.: Deep learning based feature selection for remote sensing scene "
        "classification. GRSL 2015"
    )
    homepage = "https://github.com/palewithout/RSSCN7"
