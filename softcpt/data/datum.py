"""Dassl's image record, made without a look at the disk."""

from __future__ import annotations

from collections.abc import Sequence

from softcpt import dassl

dassl.activate()
from dassl.data.datasets import Datum  # noqa: E402 (an engine must be there first)

__all__ = ["Datum", "ImageDatum", "all_labels", "plain_record"]


class ImageDatum(Datum):  # type: ignore[misc]  # Dassl has no types
    """A Datum whose file is known to exist from a directory listing.

    Dassl's own constructor asks the disk about every file; with 100,000 images on a network disk
    that takes minutes.

    Attributes:
        labels: all classes of the image, ``label`` the first of them.
    """

    def __init__(
        self, impath: str, label: int, domain: int, classname: str, others: Sequence[int] = ()
    ) -> None:
        # Not super().__init__(): it is what asks the disk. The names are Dassl's.
        self._impath, self._label, self._domain, self._classname = impath, label, domain, classname
        self.labels = (label, *others)


def plain_record(impath: str, label: int, classname: str) -> Datum:
    """Dassl's own record of an image that is known to exist, of the only task.

    Data set files of CoOp's family pickle such records, and read them where softcpt is not.
    """
    made = Datum.__new__(Datum)
    made._impath, made._label, made._domain, made._classname = impath, label, 0, classname
    return made


def all_labels(item: Datum) -> tuple[int, ...]:
    """All classes of an image; a record of other code has one."""
    return getattr(item, "labels", (item.label,))
