"""Dassl's image record, made without a look at the disk."""

from __future__ import annotations

from softcpt import dassl

dassl.activate()
from dassl.data.datasets import Datum  # noqa: E402 (an engine must be there first)


class ImageDatum(Datum):
    """A Datum whose file is known to exist from a directory listing.

    Dassl's own constructor asks the disk about every file; with 100,000 images on a network disk that takes minutes.
    """

    def __init__(self, impath: str, label: int, domain: int, classname: str) -> None:
        # Not super().__init__(): it is what asks the disk. The names are Dassl's.
        self._impath, self._label, self._domain, self._classname = impath, label, domain, classname
