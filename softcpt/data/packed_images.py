"""Reads images that a publisher packs into few files, and writes those that a run needs as PNG."""

from __future__ import annotations

import codecs
import gzip
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import Image
from tqdm import tqdm

from softcpt.data.base import Pool
from softcpt.data.elevater import ElevaterDataset
from softcpt.data.writable_path import writable_path
from softcpt.errors import UserError
from softcpt.utils.files import atomic_write
from softcpt.utils.text_files import read_table
from softcpt.utils.unpickling import TableUnpickler

PNG = "png"  # the folder that they are written to, in the data set's
_PER_FOLDER = 1000
_IMAGES = "-images"  # so that nobody takes these folders for a part with a folder per class


Pixels = npt.NDArray[np.uint8]


class Pack(NamedTuple):
    """The images of one part.

    Attributes:
        labels: of every image, as the file has them.
        read: the images of some places in the file, (H, W) or (H, W, 3), uint8, in that order.
    """

    labels: Sequence[int]
    read: Callable[[Sequence[int]], Iterable[Pixels]]


class PackedDataset(ElevaterDataset):
    """A data set whose images come in packs; a folder per class, as for other sets of ELEVATER,
    does as well.

    Image ``i`` of a part is written to ``png/<part>-images/<i // 1000>/<i>.png``, in the data set's
    folder or, where that cannot be written to, in the user's cache. Two processes may write at
    once; one that is killed leaves whole files.

    Attributes:
        pack_classes: what the publisher calls the classes, by the numbers in the packs; empty: in
            label order.
    """

    pack_classes: ClassVar[tuple[str, ...]] = ()
    skips_wrappers = False  # paths begin with the folder of the written images, or of the part

    def pack(self, folder: Path, part: str) -> Pack | None:
        """The images of a part; None: there is no file of them."""
        raise NotImplementedError(f"{type(self).__name__}: a data set says how its packs are read")

    def pools(self, folder: Path, images: Path) -> Iterable[Pool]:
        """The packs; where there is none, class folders."""
        packs = {}
        for part in ("train", "val", "test"):
            pack = self.pack(folder, part)
            if pack is not None:
                packs[part] = pack
        if not packs:
            yield from super().pools(folder, images)
        names = self.pack_classes or tuple(self.classes)
        labels = [self.label(name) for name in names]
        for part, pack in packs.items():
            numbered = enumerate(pack.labels)
            yield Pool(part, [(_path(part, place), labels[label], "") for place, label in numbered])

    def places(self, paths: Sequence[str]) -> list[str | None]:
        """Where each of ``paths`` is, or will be written to."""
        if not paths or not paths[0].startswith(f"{PNG}/"):
            return super().places(paths)
        root = writable_path(self.folder, PNG).parent
        return [os.path.join(root, path) for path in paths]

    def unpack(self, places: Sequence[str]) -> None:
        """Write those images that are not there yet.

        Raises:
            UserError: there is no room, or no right to write.
        """
        root = writable_path(self.folder, PNG)
        missing: dict[str, list[int]] = {}
        for place in _absent(place for place in places if place.startswith(f"{root}{os.sep}")):
            part, _, name = Path(place).relative_to(root).parts
            number = int(name.removesuffix(".png"))
            missing.setdefault(part.removesuffix(_IMAGES), []).append(number)
        total = sum(map(len, missing.values()))
        with tqdm(total=total, unit="image", desc=f"unpacking {self.name()}", delay=1) as bar:
            for part, numbers in missing.items():
                pack = self.pack(self.folder, part)
                if pack is None:
                    raise UserError(
                        f"data set {self.name()}: the file with the images of {part} has gone; "
                        f"{self.advice}"
                    )
                for number, pixels in zip(numbers, pack.read(numbers)):
                    # Not flushed one by one: a pack has up to 262,144.
                    path = root.parent / _path(part, number)
                    with atomic_write(path, flush=False) as temporary:
                        Image.fromarray(pixels).save(temporary, "PNG")
                    bar.update()


def _path(part: str, number: int) -> str:
    return f"{PNG}/{part}{_IMAGES}/{number // _PER_FOLDER:03}/{number:06}.png"


def _absent(paths: Iterable[str]) -> Iterator[str]:
    """Those of ``paths`` that no file has: a listing per folder."""
    listed: dict[str, set[str]] = {}
    for path in paths:
        folder, name = os.path.split(path)
        if folder not in listed:
            listed[folder] = set(os.listdir(folder)) if os.path.isdir(folder) else set()
        if name not in listed[folder]:
            yield path


# -- formats ---------------------------------------------------------------------------------------


_reconstruct = np.empty(0).__reduce__()[0]  # under the name that this NumPy has for it


class _ArraysOnly(TableUnpickler):
    """Of what a pickle may ask for, only NumPy's arrays: an unknown file must not run anything."""

    content = "array"
    admitted: ClassVar[Mapping[str, Any]] = {
        "numpy.core.multiarray._reconstruct": _reconstruct,
        "numpy._core.multiarray._reconstruct": _reconstruct,
        "numpy.ndarray": np.ndarray,
        "numpy.dtype": np.dtype,
        "_codecs.encode": codecs.encode,  # bytes of Python 2 in a pickle of Python 3
    }


def read_arrays(path: Path) -> dict[str, Any]:
    """A pickled dictionary of arrays, lists, numbers and texts, with texts of Python 2 as Latin-1.

    Raises:
        pickle.UnpicklingError: it asks for anything else.
    """
    with open(path, "rb") as file:
        content: dict[str, Any] = _ArraysOnly(file, encoding="latin1").load()
    return content


def read_idx(path: Path) -> Pixels:
    """An IDX file of unsigned bytes, plain or compressed with gzip
    (http://yann.lecun.com/exdb/mnist).

    Raises:
        ValueError: it is none, or ends too early.
    """
    with (gzip.open if path.suffix == ".gz" else open)(path, "rb") as file:
        content = file.read()
    if len(content) < 4 or content[:3] != b"\0\0\x08":
        raise ValueError(f"{path.name} is no IDX file of bytes")
    shape = np.frombuffer(content, ">u4", content[3], 4)
    values = np.frombuffer(content, np.uint8, offset=4 + 4 * content[3])
    if len(values) != shape.prod():
        raise ValueError(f"{path.name} ends too early")
    return values.reshape(shape)


def csv_rows(path: Path) -> Iterator[dict[str, str]]:
    """The rows of a table, column names without blanks around them."""
    return (row for _, row in read_table(path))


@contextmanager
def hdf5(path: Path, name: str) -> Iterator[Any]:
    """A data set of an HDF5 file, (N, ...), that reads what is asked of it.

    Raises:
        UserError: h5py is not installed.
    """
    try:
        import h5py
    except ImportError as error:
        raise UserError(f"{path}: h5py reads it; pip install h5py") from error
    with h5py.File(path, "r") as file:
        yield file[name]
