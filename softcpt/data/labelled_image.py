"""What users of the library see of data: an image with its label, and a sequence of these."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, overload

from PIL import Image

from softcpt.features.images import read_image


@dataclass(frozen=True)
class LabelledImage:
    """An image file and its class.

    Attributes:
        path: the file.
        label: global class index (:class:`softcpt.tasks.TaskSet`).
        task: index of the task.
        class_name: the class's name.
        labels: all classes of the image, ``label`` first.

    Example:
        >>> from PIL import Image
        >>> pairs = [(Image.new("RGB", (64, 48), name), name) for name in ("red", "blue")]
        >>> one = softcpt.load_data({"colours": pairs}).train[1]
        >>> one.class_name, one.label, one.labels
        ('blue', 0, (0,))
        >>> one.image.size
        (64, 48)
    """

    path: str
    label: int
    task: int
    class_name: str
    labels: tuple[int, ...]

    @property
    def impath(self) -> str:
        """The file, by Dassl's name: batches take both kinds of records."""
        return self.path

    @property
    def domain(self) -> int:
        """The task, by Dassl's name."""
        return self.task

    @property
    def image(self) -> Image.Image:
        """The image as 8-bit RGB in the file's own size, decoded now and not kept.

        Raises:
            ImageError: the file is missing, is no image, or ends too early.
        """
        return read_image(self.path)


class Images(Sequence[LabelledImage]):
    """A sequence of labelled images; a slice is one, too.

    Args:
        items: the images.

    Example:
        >>> from PIL import Image
        >>> pairs = [(Image.new("RGB", (64, 64), name), name) for name in ("red", "blue")]
        >>> images = softcpt.load_data({"colours": pairs}).train
        >>> images
        <2 labelled images>
        >>> images[1].class_name, images[1:]
        ('blue', <1 labelled images>)
    """

    def __init__(self, items: Iterable[LabelledImage] = ()) -> None:
        self._items = tuple(items)

    @classmethod
    def of(cls, records: Iterable[Any]) -> Images:
        """From ``records``, Dassl's of images (Datum): ``label`` a global class index, ``domain`` a
        task."""
        return cls(
            LabelledImage(
                item.impath,
                item.label,
                item.domain,
                item.classname,
                getattr(item, "labels", (item.label,)),
            )
            for item in records
        )

    def __len__(self) -> int:
        return len(self._items)

    @overload
    def __getitem__(self, index: int) -> LabelledImage: ...
    @overload
    def __getitem__(self, index: slice) -> Images: ...
    def __getitem__(self, index: int | slice) -> LabelledImage | Images:
        return Images(self._items[index]) if isinstance(index, slice) else self._items[index]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Images) and self._items == other._items

    def __hash__(self) -> int:
        return hash(self._items)

    def __repr__(self) -> str:
        return f"<{len(self):,} labelled images>"
