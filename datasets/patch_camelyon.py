"""PatchCamelyon."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from dassl.data.datasets import DATASET_REGISTRY

from softcpt.data.elevater_folders import holding
from softcpt.data.packed_images import Pack, PackedDataset, Pixels, hdf5
from softcpt.data.source import Source

ZENODO = "https://zenodo.org/records/2546921/files"
NAMES = {"train": "train", "val": "valid", "test": "test"}
SHA256 = {
    ("train", "x"): "d619e741468a7ab35c7e4a75e6821b7e7e6c9411705d45708f2a0efc8960656c",
    ("train", "y"): "b74126d2c01b20d3661f9b46765d29cf4e4fba6faba29c8e0d09d406331ab75a",
    ("valid", "x"): "f82ee1670d027b4ec388048d9eabc2186b77c009655dae76d624c0ecb053ccb2",
    ("valid", "y"): "ce1ae30f08feb468447971cfd0472e7becd0ad96d877c64120c72571439ae48c",
    ("test", "x"): "79174c2201ad521602a5888be8f36ee10875f37403dd3f2086caf2182ef87245",
    ("test", "y"): "0a522005fccc8bbd04c5a117bfaf81d8da2676f03a29d7499f71d0a0bd6068ef",
}
FILE = "camelyonpatch_level_2_split_{}_{}.h5"


@DATASET_REGISTRY.register()
class PatchCamelyon(PackedDataset):
    """Sections of lymph nodes under a microscope, 96 x 96 pixels: with or without metastatic tissue
    in the middle.

    ``pcam/camelyonpatch_level_2_split_{train,valid,test}_{x,y}.h5`` (read with h5py; unpack
    ``.h5.gz`` files), or class folders ``{train,valid,test}/{0,1}``.
    """

    key = "patch-camelyon"
    dataset_dir = "pcam"
    aliases = ("camelyonpatch", "pcamv1")
    sources = tuple(
        Source(
            f"{ZENODO}/{FILE.format(name, axis)}.gz",
            f"{FILE.format(name, axis)}.gz",
            "manual",
            sha256=SHA256[name, axis],
            gives=FILE.format(name, axis),
            note="unpack it with gunzip",
        )
        for name in NAMES.values()
        for axis in "xy"
    )
    licence = "CC0 1.0"
    citation = (
        "Veeling, Linmans, Winkens, Cohen, Welling: Rotation equivariant CNNs for digital "
        "pathology. MICCAI 2018"
    )
    homepage = "https://github.com/basveeling/pcam"

    def pack(self, folder: Path, part: str) -> Pack | None:
        """The pair of HDF5 files of a part."""
        names = [FILE.format(NAMES[part], axis) for axis in "xy"]
        place = holding(folder, *names)
        if place is None:
            return None

        def read(numbers: Sequence[int]) -> Iterator[Pixels]:
            with hdf5(place / names[0], "x") as pixels:
                yield from (pixels[number] for number in numbers)

        with hdf5(place / names[1], "y") as labels:
            return Pack(np.asarray(labels).reshape(-1).tolist(), read)
