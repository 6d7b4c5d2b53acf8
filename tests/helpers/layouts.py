"""Every data set's folder in small: real folder and file names, a few tiny images, the stray files
of real disks."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
from PIL import Image
from scipy.io import savemat

from softcpt.engine.config import default_config

PER_CLASS = 4  # divided 2, 1, 1


def classes(count: int, *known: str) -> list[str]:
    """``count`` class folders: the ``known`` ones, and others with a blank in their names."""
    return [*known, *(f"class {number:03}" for number in range(count - len(known)))]


PLANTS = {
    "Apple": ["Apple_scab", "Black_rot", "Cedar_apple_rust", "healthy"],
    "Blueberry": ["healthy"],
    "Cherry": ["Powdery_mildew", "healthy"],
    "Grape": ["Black_rot", "Esca_(Black_Measles)", "healthy", "Leaf_blight_(Isariopsis_Leaf_Spot)"],
    "Corn": [
        "Cercospora_leaf_spot Gray_leaf_spot",
        "Common_rust",
        "Northern_Leaf_Blight",
        "healthy",
    ],
    "Orange": ["Haunglongbing_(Citrus_greening)"],
    "Peach": ["Bacterial_spot", "healthy"],
    "Pepper,_bell": ["Bacterial_spot", "healthy"],
    "Potato": ["Early_blight", "Late_blight", "healthy"],
    "Raspberry": ["healthy"],
    "Soybean": ["healthy"],
    "Squash": ["Powdery_mildew"],
    "Strawberry": ["Leaf_scorch", "healthy"],
    "Tomato": [
        "Bacterial_spot",
        "Early_blight",
        "Late_blight",
        "Leaf_Mold",
        "Septoria_leaf_spot",
        "Target_Spot",
        "healthy",
        "Spider_mites Two-spotted_spider_mite",
        "Tomato_mosaic_virus",
        "Tomato_Yellow_Leaf_Curl_Virus",
    ],
}
SEEDLINGS = [
    "Black-grass",
    "Charlock",
    "Cleavers",
    "Common Chickweed",
    "Common wheat",
    "Fat Hen",
    "Loose Silky-bent",
    "Maize",
    "Scentless Mayweed",
    "Shepherd’s Purse",
    "Small-flowered Cranesbill",
    "Sugar beet",
]
EUROSAT = [
    "AnnualCrop",
    "Forest",
    "HerbaceousVegetation",
    "Highway",
    "Industrial",
    "Pasture",
    "PermanentCrop",
    "Residential",
    "River",
    "SeaLake",
]
RSSCN7 = ["aGrass", "bField", "cIndustry", "dRiverLake", "eForest", "fResident", "gParking"]

# Data set -> pattern of its files, with {} for the class and the number, and its class folders.
FOLDERS: dict[str, tuple[str, list[str]]] = {
    "Caltech101": (
        "caltech-101/101_ObjectCategories/{}/image_{:04}.jpg",
        classes(
            102, "Faces", "Faces_easy", "Leopards", "Motorbikes", "airplanes", "BACKGROUND_Google"
        ),
    ),
    "DescribableTextures": ("dtd/images/{0}/{0}_{1:04}.jpg", classes(47, "banded", "polka-dotted")),
    "EuroSAT": ("eurosat/2750/{0}/{0}_{1}.jpg", EUROSAT),
    "Food101": ("food-101/images/{}/{}.jpg", classes(101, "apple_pie")),
    "KaggleFlower": (
        "kaggle_flower_recognition/flowers/{}/{}_x_n.jpg",
        ["daisy", "dandelion", "rose", "sunflower", "tulip"],
    ),
    "KaggleMushroom": (
        "kaggle_mushroom/Mushrooms/Mushrooms/{}/{:03}_x.jpg",
        classes(9, "Agaricus", "Boletus"),
    ),
    "PlantSeedlingV1": ("PlantSeedlingV1/Nonsegmented/{}/{}.png", SEEDLINGS),
    "PlantVillage": (
        "PlantVillage/Plant_leave_diseases_dataset_without_augmentation/{}/image ({}).JPG",
        [f"{plant}___{name}" for plant, names in PLANTS.items() for name in names]
        + ["Background_without_leaves"],
    ),
    "AID": ("AID/{}/x_{}.jpg", classes(30, "BareLand", "BaseballField")),
    "RESISC45": ("NWPU-RESISC45/{0}/{0}_{1:03}.jpg", classes(45, "baseball_diamond")),
    "PatternNet": ("PatternNet/images/{0}/{0}{1:03}.jpg", classes(38, "christmas_tree_farm")),
    "RSSCN7": ("RSSCN7/RSSCN7-master/{}/x{:03}.jpg", RSSCN7),
    "UCMerced": ("UCMerced_LandUse/Images/{0}/{0}{1:02}.tif", classes(21, "baseballdiamond")),
    "WHURS19": ("WHU-RS19/{0}/{0}_{1:02}.jpg", classes(19, "footballField", "railwayStation")),
    "OPTIMAL31": ("OPTIMAL-31/Images/{0}/{0}{1}.jpg", classes(31, "baseball_diamond")),
    "RSC11": ("RS_C11_Database/{0}/{0}{1:03}.tif", classes(11, "denseforest")),
    "SIRIWHU": ("SIRI-WHU/12class_tif/{}/{:04}.tif", classes(12, "idle_land")),
}
for heading, (name, count) in {
    "RSI-CB128": ("RSICB128", 45),
    "RSI-CB256": ("RSICB256", 35),
}.items():
    inner = [
        f"{group}/{folder}"
        for group, folder in zip(["transportation", "water area"] * count, classes(count, "dam"))
    ]
    FOLDERS[name] = (heading + "/{}/x({}).tif", inner)
for name, folder, count in (
    ("FruitVegetable", "fruit_vegetable", 36),
    ("KaggleVegetable", "kaggle_vegetable", 15),
):
    parts = [
        f"{part}/{label}"
        for part in ("train", "test", "validation")
        for label in classes(count, "bell pepper")
    ]
    FOLDERS[name] = (folder + "/images/{}/Image_{}.jpg", parts)


def image_bytes(mode: str = "RGB") -> bytes:
    """A PNG of 8 x 8 pixels; its name may say something else, as on real disks."""
    buffer = io.BytesIO()
    Image.new(mode, (8, 8), 120).save(buffer, "PNG")
    return buffer.getvalue()


MODES = [image_bytes(mode) for mode in ("RGB", "L", "P", "RGB", "LA")]


def write(root: Path, paths: Iterable[str]) -> list[str]:
    """Images at ``paths`` below ``root``, some grey or with a palette."""
    paths = list(paths)
    for folder in {path.rpartition("/")[0] for path in paths}:
        (root / folder).mkdir(parents=True, exist_ok=True)
    for number, path in enumerate(paths):
        (root / path).write_bytes(MODES[number % len(MODES)])
    return paths


def litter(folder: Path) -> None:
    """What Mac, Windows, MATLAB and the reference leave in a folder and one of its sub-folders."""
    below = sorted(path for path in folder.rglob("*") if path.is_dir())
    for place in (folder, *below[:1], *below[-1:]):
        for name in (".DS_Store", "._x.jpg", "Thumbs.db", "x.mat", "readme.txt"):
            (place / name).write_bytes(b"\0")
    (folder / "__MACOSX" / "x").mkdir(parents=True)
    (folder / "__MACOSX" / "x" / "._y.jpg").write_bytes(b"\0")


def build(name: str, root: Path) -> None:
    """The folder of data set ``name`` below ``root``, without a split file."""
    root.mkdir(exist_ok=True)
    before = {path for path in root.iterdir() if path.is_dir()}
    if name in FOLDERS:
        pattern, names = FOLDERS[name]
        paths = [
            pattern.format(label, number) for label in names for number in range(1, PER_CLASS + 1)
        ]
        paths[-1] = paths[-1][:-4] + paths[-1][-4:].upper()
        write(root, paths)
    else:
        BUILDERS[name](root)
    [folder] = {path for path in root.iterdir() if path.is_dir()} - before
    litter(folder)


def _lists(path: Path, lines: Iterable[str]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def oxford_pets(root: Path) -> None:
    """Breeds in upper and lower case; the annotations name images without their ending."""
    folder = root / "oxford_pets"
    breeds = ["Abyssinian", "american_bulldog", *(f"Breed_{number}" for number in range(35))]
    images = {
        part: [
            (f"{breed}_{number}", label)
            for label, breed in enumerate(breeds, 1)
            for number in numbers
        ]
        for part, numbers in (("trainval", range(1, 4)), ("test", range(4, 5)))
    }
    for part, rows in images.items():
        write(folder / "images", (f"{image}.jpg" for image, _ in rows))
        _lists(
            folder / "annotations" / f"{part}.txt",
            (f"{image} {label} 1 1" for image, label in rows),
        )


def stanford_cars(root: Path) -> None:
    """Annotations are MATLAB structures."""
    folder = root / "stanford_cars"
    names = [
        f"AM General Hummer SUV {2000 + number % 13} {number}".rsplit(" ", 1)[0]
        if number
        else "Audi TTS Coupe 2012"
        for number in range(196)
    ]
    names = [" ".join((f"Make{number}", name)) for number, name in enumerate(names)]
    (folder / "devkit").mkdir(parents=True)
    savemat(folder / "devkit/cars_meta.mat", {"class_names": np.array(names, dtype=object)})
    for part, file, count in (
        ("cars_train", "devkit/cars_train_annos.mat", 3),
        ("cars_test", "cars_test_annos_withlabels.mat", 1),
    ):
        labels = np.repeat(np.arange(1, 197), count)
        files = write(folder / part, (f"{number:05}.jpg" for number in range(1, len(labels) + 1)))
        rows = np.array(
            [(name, label) for name, label in zip(files, labels)],
            dtype=[("fname", object), ("class", object)],
        )
        savemat(folder / file, {"annotations": rows})


def oxford_flowers(root: Path) -> None:
    """Labels are a MATLAB row, names a JSON file."""
    folder = root / "oxford_flowers"
    labels = np.repeat(np.arange(1, 103), PER_CLASS)
    write(folder / "jpg", (f"image_{number:05}.jpg" for number in range(1, len(labels) + 1)))
    savemat(folder / "imagelabels.mat", {"labels": labels})
    (folder / "cat_to_name.json").write_text(
        json.dumps({str(label): f"flower {label}" for label in range(1, 103)})
    )


def fgvc_aircraft(root: Path) -> None:
    """Official lists of images without their ending; variants have blanks and slashes."""
    folder = root / "fgvc_aircraft"
    variants = [
        "707-320",
        "A300B4",
        "F/A-18",
        "Model B200",
        *(f"Variant {number}" for number in range(96)),
    ]
    _lists(folder / "variants.txt", variants)
    for offset, part in enumerate(("train", "val", "test")):
        rows = [(f"{offset}{number:06}", variant) for number, variant in enumerate(variants)]
        write(folder / "images", (f"{image}.jpg" for image, _ in rows))
        _lists(
            folder / f"images_variant_{part}.txt", (f"{image} {variant}" for image, variant in rows)
        )


def sun397(root: Path) -> None:
    """Classes below their first letter, some with a further folder."""
    folder = root / "sun397"
    names = ["/a/abbey", "/a/apse/indoor", *(f"/b/scene_{number}" for number in range(395))]
    _lists(folder / "ClassName.txt", names)
    for part, count in (("Training_01.txt", 3), ("Testing_01.txt", 1)):
        paths = [f"{name}/sun_{part[:2]}{number}.jpg" for name in names for number in range(count)]
        write(folder / "SUN397", (path.lstrip("/") for path in paths))
        _lists(folder / part, paths)


def ucf101(root: Path) -> None:
    """Lists name videos, the disk has their middle frames."""
    folder = root / "ucf101"
    actions = [
        "ApplyEyeMakeup",
        "YoYo",
        *(f"Act{chr(65 + n // 26)}x{chr(65 + n % 26)}y" for n in range(99)),
    ]
    _lists(
        folder / "ucfTrainTestlist/classInd.txt",
        (f"{n} {action}" for n, action in enumerate(actions, 1)),
    )
    for part, numbers in (("trainlist01.txt", range(1, 4)), ("testlist01.txt", range(4, 5))):
        videos = [
            (action, f"{action}/v_{action}_g01_c{number:02}.avi")
            for action in actions
            for number in numbers
        ]
        shown = {
            action: "".join(f"_{letter}" if letter.isupper() else letter for letter in action)[1:]
            for action in actions
        }
        write(
            folder / "UCF-101-midframes",
            (f"{shown[action]}/{video.partition('/')[2][:-4]}.jpg" for action, video in videos),
        )
        _lists(folder / "ucfTrainTestlist" / part, (video for _, video in videos))


def wordnet(folder: Path, count: int = 1000) -> list[str]:
    """``classnames.txt`` and the folders' names."""
    ids = [f"n{number:08}" for number in range(1000)]
    _lists(folder / "classnames.txt", (f"{name} object {name}" for name in ids))
    return ids[:count]


def imagenet(root: Path) -> None:
    """Training and validation images."""
    for part in ("train", "val"):
        write(
            root / "imagenet/images" / part,
            (f"{name}/{name}_1.JPEG" for name in wordnet(root / "imagenet")),
        )


def imagenetv2(root: Path) -> None:
    """Folders are numbers."""
    wordnet(root / "imagenetv2")
    write(
        root / "imagenetv2/imagenetv2-matched-frequency-format-val",
        (f"{n}/{n}.jpeg" for n in range(1000)),
    )


def imagenet_variant(folder: str, images: str, count: int) -> Callable[[Path], None]:
    """A variant with WordNet folders."""
    return lambda root: (
        write(root / folder / images, (f"{n}/{n}.jpg" for n in wordnet(root / folder, count)))
        and None
    )


def fashion20(root: Path) -> None:
    """Twenty tasks of two to five classes, 78 in all, with the reference's table."""
    folder = root / "fashion20"
    counts = [4] * 18 + [3, 3]
    paths = [
        f"{task}/{label}/{number}.jpg"
        for task, count in enumerate(counts)
        for label in range(count)
        for number in range(PER_CLASS)
    ]
    write(folder / "images", paths)
    rows = []
    for task, count in enumerate(counts):
        names = ", ".join(f"{task} kind {label}" for label in range(count))
        rows.append(f"{task}\ttask {task}_kind\t-\t{names}")
    _lists(folder / "task_info.csv", ["id\ttask_name\ttask_desc\tlabel_name", *rows])


BUILDERS: dict[str, Callable[[Path], None]] = {
    "OxfordPets": oxford_pets,
    "StanfordCars": stanford_cars,
    "OxfordFlowers": oxford_flowers,
    "FGVCAircraft": fgvc_aircraft,
    "SUN397": sun397,
    "UCF101": ucf101,
    "ImageNet": imagenet,
    "ImageNetV2": imagenetv2,
    "Fashion20": fashion20,
    "ImageNetSketch": imagenet_variant("imagenet-sketch", "images", 1000),
    "ImageNetA": imagenet_variant("imagenet-adversarial", "imagenet-a", 200),
    "ImageNetR": imagenet_variant("imagenet-rendition", "imagenet-r", 200),
}
ALL = sorted([*FOLDERS, *BUILDERS])


def built(name: str, shared: Path) -> Path:
    """The root ``shared`` with the folder of ``name`` in it, built once for all tests that change
    nothing there."""
    mark = shared / f".{name}"
    if not mark.exists():
        build(name, shared)
        mark.touch()
    return shared


def config(root: Path, shots: int = -1, seed: int = 1, **dataset: object):
    """A configuration with ``DATASET.<key>`` set, quiet."""
    cfg = default_config()
    cfg.SEED, cfg.VERBOSE, cfg.DATASET.ROOT, cfg.DATASET.NUM_SHOTS = seed, False, str(root), shots
    for key, value in dataset.items():
        cfg.DATASET[key] = value
    cfg.freeze()
    return cfg
