"""The folders of ELEVATER's data sets in small: each label is an image's brightness, so that a
mistake can be seen."""

from __future__ import annotations

import csv
import gzip
import io
import json
import pickle
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
from PIL import Image
from scipy.io import savemat

from softcpt.data.elevater_tasks import ELEVATER_TASKS, class_names
from tests.helpers import layouts

TRAIN, TEST = 2, 1  # images of a class


def shade(label: int, size: int = 8) -> np.ndarray:
    """A grey picture, a little brighter for every label."""
    return np.full((size, size), label % 250, np.uint8)


def write(root: Path, paths: Iterable[tuple[str, int]]) -> None:
    """Images at paths below ``root``, of labels."""
    encoded: dict[int, bytes] = {}
    for path, label in paths:
        if label not in encoded:
            buffer = io.BytesIO()
            Image.fromarray(shade(label)).save(buffer, "PNG")
            encoded[label] = buffer.getvalue()
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(encoded[label])


def labels_of(key: str) -> list[str]:
    """What the publisher calls the classes."""
    return list(class_names(key))


def folders(
    key: str, pattern: str, train: str = "train", test: str = "test", names: list[str] | None = None
) -> Callable[[Path], None]:
    """Class folders; ``pattern`` has a place for the part, the class and the number."""

    def build(root: Path) -> None:
        for label, name in enumerate(names or labels_of(key)):
            for part, count in ((train, TRAIN), (test, TEST)):
                write(
                    root, ((pattern.format(part, name, number), label) for number in range(count))
                )

    return build


def _labels(classes: int, count: int) -> list[int]:
    return [label for _ in range(count) for label in range(classes)]


def pickled(content: dict, old: bool = False) -> bytes:
    """As the publisher's: protocol 2; ``old``: with the names that NumPy 1 has."""
    data = pickle.dumps(content, protocol=2)
    return data.replace(b"numpy._core.", b"numpy.core.") if old else data


def cifar10(root: Path) -> None:
    """Five training batches and a test batch."""
    folder = root / "cifar-10-batches-py"
    folder.mkdir()
    names = [
        "airplane",
        "automobile",
        "bird",
        "cat",
        "deer",
        "dog",
        "frog",
        "horse",
        "ship",
        "truck",
    ]
    shades = [labels_of("cifar-10").index(name) for name in names]
    for name in (*(f"data_batch_{number}" for number in range(1, 6)), "test_batch"):
        pixels = np.array([np.full(3072, value, np.uint8) for value in shades])
        (folder / name).write_bytes(pickled({"data": pixels, "labels": list(range(10))}, old=True))
    (folder / "batches.meta").write_bytes(pickled({"label_names": names}))


def cifar100(root: Path) -> None:
    """One file of each part, labels in alphabetical order of the classes."""
    folder = root / "cifar-100" / "cifar-100-python"
    folder.mkdir(parents=True)
    order = sorted(labels_of("cifar-100"))
    for name, count in (("train", TRAIN), ("test", TEST)):
        labels = _labels(100, count)
        pixels = np.array(
            [
                np.full(3072, labels_of("cifar-100").index(order[label]), np.uint8)
                for label in labels
            ]
        )
        content = {"data": pixels, "fine_labels": labels, "coarse_labels": [0] * len(labels)}
        (folder / name).write_bytes(pickled(content))
    (folder / "meta").write_bytes(pickled({"fine_label_names": order}))


def idx(array: np.ndarray) -> bytes:
    """An IDX file."""
    return (
        b"\0\0\x08" + bytes([array.ndim]) + np.array(array.shape, ">u4").tobytes() + array.tobytes()
    )


def mnist(
    root: Path, folder: str = "MNIST/raw", end: str = "-idx{}-ubyte", pack: Callable = bytes
) -> None:
    """Two pairs of files."""
    (root / folder).mkdir(parents=True)
    for begin, count in (("train", TRAIN), ("t10k", TEST)):
        labels = np.array(_labels(10, count), np.uint8)
        images = np.stack([shade(int(label), 28) for label in labels])
        for kind, dims, array in (("images", 3, images), ("labels", 1, labels)):
            (root / folder / f"{begin}-{kind}{end.format(dims)}").write_bytes(pack(idx(array)))


FER = [
    "angry",
    "disgust",
    "fear",
    "happy",
    "sad",
    "surprise",
    "neutral",
]  # in the order of the table's numbers


def fer2013(root: Path, name: str = "fer2013.csv", head: str = "emotion,pixels,Usage") -> None:
    """A table; Kaggle's second one has blanks in front of its column names and another order."""
    (root / "fer2013").mkdir()
    rows = []
    for usage, count in (("Training", TRAIN), ("PublicTest", 1), ("PrivateTest", TEST)):
        for label in _labels(7, count):
            pixels = " ".join(
                map(str, shade(labels_of("fer-2013").index(FER[label]), 48).reshape(-1))
            )
            rows.append({"emotion": label, "pixels": pixels, "Usage": usage})
    with open(root / "fer2013" / name, "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(head.split(","))
        writer.writerows([row[column.strip()] for column in head.split(",")] for row in rows)


def fer2013_folders(root: Path) -> None:
    """Kaggle's copy, whose test folder holds both test sets."""
    for label, name in enumerate(labels_of("fer-2013")):
        write(
            root / "fer2013",
            ((f"train/{name}/Training_{number}{label}.jpg", label) for number in range(TRAIN)),
        )
        for kind in ("PublicTest", "PrivateTest"):
            write(root / "fer2013", [(f"test/{name}/{kind}_{label}.jpg", label)])


def gtsrb(root: Path) -> None:
    """The publisher's archives, unpacked where torchvision does."""
    for label in range(43):
        write(
            root / "gtsrb/GTSRB/Training",
            ((f"{label:05}/00000_{n:05}.ppm", label) for n in range(TRAIN)),
        )
        write(root / "gtsrb/GTSRB/Online-Test-sort", [(f"{label:05}/00000.ppm", label)])
        write(root / "gtsrb/GTSRB/Final_Test/Images", [(f"{label:05}.ppm", label)])
        (root / f"gtsrb/GTSRB/Training/{label:05}/GT-{label:05}.csv").write_text(
            "Filename;ClassId\n"
        )
    lines = (f"{label:05}.ppm;5;5;0;0;5;5;{label}" for label in range(43))
    head = "Filename;Width;Height;Roi.X1;Roi.Y1;Roi.X2;Roi.Y2;ClassId"
    layouts._lists(root / "gtsrb/GT-final_test.csv", (head, *lines))


def gtsrb_kaggle(root: Path) -> None:
    """Kaggle's copy."""
    for label in range(43):
        paths = (f"{label}/{label:05}_{n:05}_00000.png" for n in range(TRAIN))
        write(root / "GTSRB/Train", ((path, label) for path in paths))
        write(root / "GTSRB/Test", [(f"{label:05}.png", label)])
    lines = (f"5,5,0,0,5,5,{label},Test/{label:05}.png" for label in range(43))
    layouts._lists(
        root / "GTSRB/Test.csv", ("Width,Height,Roi.X1,Roi.Y1,Roi.X2,Roi.Y2,ClassId,Path", *lines)
    )
    write(root / "GTSRB/Meta", ((f"{label}.png", label) for label in range(43)))


def voc2007(root: Path, train: str = "VOCdevkit/VOC2007", test: str = "VOCdevkit/VOC2007") -> None:
    """Image i has class i, every third one class 14 ("person") too, every fifth one class 3 that is
    difficult to see; the class of image 7 is difficult, too."""
    names = labels_of("voc-2007-classification")
    for offset, part, folder, count in (
        (0, "train", train, TRAIN),
        (1, "val", train, 1),
        (2, "test", test, TEST),
    ):
        images = [f"{offset}{number:05}" for number in range(20 * count)]
        write(
            root / folder / "JPEGImages",
            ((f"{image}.jpg", number % 20) for number, image in enumerate(images)),
        )
        for label, name in enumerate(names):
            lines = []
            for number, image in enumerate(images):
                difficult = number == label == 7 or (number % 5 == 0 and label == 3)
                there = label == number % 20 or (label == 14 and number % 3 == 0)
                lines.append(f"{image} {0 if difficult else 1 if there else -1:2}")
            layouts._lists(root / folder / f"ImageSets/Main/{name}_{part}.txt", lines)


DISTANCES = {0: "Car", 1: "Van", 2: "Truck", 3: "Pedestrian"}


def kitti(root: Path) -> None:
    """Thirty drives of four images, one of each class."""
    folder, order = root / "Kitti/raw", []
    for image in range(120):
        label, metres = image % 4, (5.0, 8.0, 20.0, 3.0)[image % 4]
        boxes = [
            f"{DISTANCES[label]} 0.00 0 1.5 1 2 3 4 1.6 1.7 3.5 0.5 1.5 {metres} 1.6",
            "DontCare" + " -1" * 14,
        ]
        layouts._lists(folder / f"training/label_2/{image:06}.txt", boxes)
        write(folder / "training/image_2", [(f"{image:06}.png", label)])
        order.append(120 - image)
    lines = [
        f"2011_09_26 2011_09_26_drive_{place // 4:04}_sync {place:010}" for place in range(120)
    ]
    layouts._lists(folder / "devkit/mapping/train_mapping.txt", lines)
    (folder / "devkit/mapping/train_rand.txt").write_text(",".join(map(str, order)))


def hateful_memes(root: Path, test: str = "dev.jsonl") -> None:
    """Lists of one JSON object per line."""
    number = 0
    for name, count in (("train.jsonl", TRAIN), (test, TEST)):
        rows = []
        for label in _labels(2, count):
            rows.append(
                {"id": number, "img": f"img/{number:05}.png", "label": label, "text": "words"}
            )
            write(root / "hateful_memes", [(rows[-1]["img"], label)])
            number += 1
        layouts._lists(root / "hateful_memes" / name, map(json.dumps, rows))


def caltech101(root: Path) -> None:
    """All folders."""
    for label, name in enumerate(labels_of("caltech-101")):
        paths = (
            f"caltech-101/101_ObjectCategories/{name}/image_{n:04}.jpg" for n in range(TRAIN + TEST)
        )
        write(root, ((path, label) for path in paths))


def plain(key: str, pattern: str, count: int) -> Callable[[Path], None]:
    """Class folders, not divided."""

    def build(root: Path) -> None:
        for label, name in enumerate(labels_of(key)):
            write(root, ((pattern.format(name, number), label) for number in range(count)))

    return build


def dtd(root: Path) -> None:
    """The official lists of the first split."""
    names = labels_of("dtd")
    for number in range(4):
        write(
            root / "dtd/images",
            ((f"{name}/{name}_{number:04}.jpg", label) for label, name in enumerate(names)),
        )
    for part, numbers in (("train", (0, 1)), ("val", (2,)), ("test", (3,))):
        paths = (f"{name}/{name}_{number:04}.jpg" for name in names for number in numbers)
        layouts._lists(root / f"dtd/labels/{part}1.txt", paths)


def aircraft(root: Path) -> None:
    """The archive's ``data``; the publisher's order of variants is not ELEVATER's."""
    names = labels_of("fgvc-aircraft-2013b-variants102")
    folder = root / "fgvc_aircraft"
    layouts._lists(folder / "variants.txt", sorted(names))
    for offset, part, count in ((0, "train", TRAIN), (1, "val", 1), (2, "test", TEST)):
        rows = [(f"{offset}{n}{label:05}", label) for n in range(count) for label in range(100)]
        write(folder / "images", ((f"{image}.jpg", label) for image, label in rows))
        layouts._lists(
            folder / f"images_variant_{part}.txt",
            (f"{image} {names[label]}" for image, label in rows),
        )


def food101(root: Path) -> None:
    """The official lists."""
    for part, count in (("train", TRAIN), ("test", TEST)):
        rows = [
            (f"{name}/{part}{n}", label)
            for label, name in enumerate(labels_of("food-101"))
            for n in range(count)
        ]
        write(root / "food-101/images", ((f"{image}.jpg", label) for image, label in rows))
        layouts._lists(root / f"food-101/meta/{part}.txt", (image for image, _ in rows))


def flowers(root: Path) -> None:
    """The official split: numbers of images."""
    folder = root / "oxford_flowers"
    labels = _labels(102, TRAIN + 1 + TEST)
    write(
        folder / "jpg",
        ((f"image_{number:05}.jpg", label) for number, label in enumerate(labels, 1)),
    )
    savemat(folder / "imagelabels.mat", {"labels": np.array(labels) + 1})
    numbers = np.arange(1, len(labels) + 1)
    ends = (102 * TRAIN, 102 * (TRAIN + 1))
    parts = {
        "trnid": numbers[: ends[0]],
        "valid": numbers[ends[0] : ends[1]],
        "tstid": numbers[ends[1] :],
    }
    savemat(folder / "setid.mat", parts)


def pets(root: Path) -> None:
    """The official lists."""
    folder = root / "oxford_pets"
    names = [name.lower() if name[0].islower() else name for name in labels_of("oxford-iiit-pets")]
    for part, numbers in (("trainval", range(1, TRAIN + 1)), ("test", range(9, 9 + TEST))):
        rows = [
            (f"{name}_{number}", label) for label, name in enumerate(names) for number in numbers
        ]
        write(folder / "images", ((f"{image}.jpg", label) for image, label in rows))
        layouts._lists(
            folder / f"annotations/{part}.txt",
            (f"{image} {label + 1} 1 1" for image, label in rows),
        )


def cars(root: Path) -> None:
    """The development kit, its classes in an order of their own."""
    folder, names = root / "stanford_cars", sorted(labels_of("stanford-cars"))
    (folder / "devkit").mkdir(parents=True)
    savemat(folder / "devkit/cars_meta.mat", {"class_names": np.array(names, dtype=object)})
    parts = (
        ("cars_train", "devkit/cars_train_annos.mat", TRAIN),
        ("cars_test", "cars_test_annos_withlabels.mat", TEST),
    )
    for part, file, count in parts:
        labels = _labels(196, count)
        files = [f"{number:05}.jpg" for number in range(1, len(labels) + 1)]
        shades = [labels_of("stanford-cars").index(names[label]) for label in labels]
        write(folder / part, zip(files, shades))
        rows = np.array(
            list(zip(files, np.array(labels) + 1)), dtype=[("fname", object), ("class", object)]
        )
        savemat(folder / file, {"annotations": rows})


def camelyon(root: Path) -> None:
    """Class folders; tests of the HDF5 files need h5py."""
    folders("patch-camelyon", "pcam/{}/{}/{}.png", "train", "test")(root)


# What is read first of each task's folder.
LAYOUTS: dict[str, Callable[[Path], None]] = {
    "caltech-101": caltech101,
    "cifar-10": cifar10,
    "cifar-100": cifar100,
    "country211": folders("country211", "country211/{}/{}/{}.jpg"),
    "dtd": dtd,
    "eurosat_clip": plain("eurosat_clip", "eurosat/2750/{0}/{0}_{1}.jpg", 6),
    "fer-2013": fer2013,
    "fgvc-aircraft-2013b-variants102": aircraft,
    "food-101": food101,
    "gtsrb": gtsrb,
    "hateful-memes": hateful_memes,
    "kitti-distance": kitti,
    "mnist": mnist,
    "oxford-flower-102": flowers,
    "oxford-iiit-pets": pets,
    "patch-camelyon": camelyon,
    "rendered-sst2": folders("rendered-sst2", "rendered-sst2/{}/{}/{}.png"),
    "resisc45_clip": plain("resisc45_clip", "NWPU-RESISC45/{0}/{0}_{1:03}.jpg", 4),
    "stanford-cars": cars,
    "voc-2007-classification": voc2007,
}
# How else people have it.
OTHERS: dict[str, tuple[str, Callable[[Path], None]]] = {
    "cifar-10 as images": ("cifar-10", folders("cifar-10", "cifar10/{}/{}/{}.png")),
    "cifar-100 as images, below superclasses": (
        "cifar-100",
        folders("cifar-100", "CIFAR100/{}/super/{}/{}.png"),
    ),
    "mnist, compressed": (
        "mnist",
        lambda root: mnist(root, "mnist", "-idx{}-ubyte.gz", gzip.compress),
    ),
    "mnist, names with dots": ("mnist", lambda root: mnist(root, "MNIST", ".idx{}-ubyte")),
    "mnist as images": ("mnist", folders("mnist", "mnist_png/{}/{}/{}.png", "training", "testing")),
    "fer-2013, Kaggle's second table": (
        "fer-2013",
        lambda root: fer2013(root, "icml_face_data.csv", "emotion, Usage, pixels"),
    ),
    "fer-2013 as images": ("fer-2013", fer2013_folders),
    "gtsrb of Kaggle": ("gtsrb", gtsrb_kaggle),
    "gtsrb as images": (
        "gtsrb",
        folders("gtsrb", "gtsrb/{}/{}/{}.png", names=[f"{n:05}" for n in range(43)]),
    ),
    "voc in two folders": (
        "voc-2007-classification",
        lambda root: voc2007(
            root,
            "VOC/VOCtrainval_06-Nov-2007/VOCdevkit/VOC2007",
            "VOC/VOCtest_06-Nov-2007/VOCdevkit/VOC2007",
        ),
    ),
    "hateful memes, later lists": (
        "hateful-memes",
        lambda root: hateful_memes(root, "dev_seen.jsonl"),
    ),
    "country211, one folder more": (
        "country211",
        folders("country211", "country211/country211/{}/{}/{}.jpg"),
    ),
}
ALL = {task.key: task for task in ELEVATER_TASKS}
