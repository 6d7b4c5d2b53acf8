"""PlantVillage (Plant-6)."""

from dassl.data.datasets import DATASET_REGISTRY

from softcpt.data.base import TaskDataset
from softcpt.data.source import Source

FILE = "Plant_leaf_diseases_dataset_without_augmentation.zip"
FOLDER = (
    "https://data.mendeley.com/public-files/datasets/tywbtsjrjv/files/"
    "d5652a28-c1d8-4b76-97f3-72fb80f94efc/"
)
# Where "<plant> leaf with <disease>" is not what SoftCPT says.
IRREGULAR = {
    "Background_without_leaves": "background without leaves",
    "Apple___Apple_scab": "apple leaf with scab disease",
    "Corn___Cercospora_leaf_spot Gray_leaf_spot": (
        "corn leaf with cercospora leaf spot or gray leaf spot"
    ),
    "Grape___Esca_(Black_Measles)": "grape leaf with black measles",
    "Grape___Leaf_blight_(Isariopsis_Leaf_Spot)": "grape leaf with leaf blight",
    "Orange___Haunglongbing_(Citrus_greening)": "orange leaf with citrus greening disease",
    "Pepper,_bell___Bacterial_spot": "pepper with bacterial spot",
    "Squash___Powdery_mildew": "squash with powdery mildew",
    "Strawberry___Leaf_scorch": "strawberry leaf with scorch disease",
    "Tomato___Leaf_Mold": "tomato leaf with mold",
    "Tomato___Spider_mites Two-spotted_spider_mite": (
        "tomato leaf with spider mites or two-spotted spider mite"
    ),
}


@DATASET_REGISTRY.register()
class PlantVillage(TaskDataset):
    """Leaves, healthy and with diseases: 39 classes, not augmented.

    ``PlantVillage/Plant_leave_diseases_dataset_without_augmentation/<Plant>___<Disease>/image
    (1).JPG``.
    """

    dataset_dir = "PlantVillage"
    image_dir = "Plant_leave_diseases_dataset_without_augmentation"
    split_files = ("split_dk_PlantVillage.json", "split_zhou_PlantVillage.json")
    task_name = "plant disease image classification"
    template = "a photo of a plant leaf with {} disease."
    num_classes = 39
    images = 55448
    sources = (
        Source(
            f"{FOLDER}file_downloaded",
            FILE,
            sha256="ac3432453984d02a86197987e775a5429d0d59e7cc7c35bcf5a8f50349b90ff0",
            unpack_to=".",
            gives="Plant_leave_diseases_dataset_without_augmentation",
        ),
    )
    licence = "CC0 1.0"
    citation = (
        "Geetharamani, Pandian: Identification of plant leaf diseases using a nine-layer CNN. "
        "Comput. Electr. Eng. 2019"
    )
    homepage = "https://data.mendeley.com/datasets/tywbtsjrjv/1"

    def class_name(self, name: str) -> str:
        """What "Apple___Black_rot" is: "apple leaf with black rot"; "Apple___healthy" is "healthy
        apple leaf"."""
        plant, apart, disease = name.partition("___")
        if name in IRREGULAR or not apart:
            return IRREGULAR.get(name, name)
        plant, disease = (
            words.replace(",_bell", "").replace("_", " ").lower() for words in (plant, disease)
        )
        return f"healthy {plant} leaf" if disease == "healthy" else f"{plant} leaf with {disease}"
