"""Makes 8-bit RGB of an image of any mode."""

from __future__ import annotations

import numpy as np
from PIL import Image


def as_rgb(image: Image.Image) -> Image.Image:
    """An image as 8-bit RGB, see :func:`softcpt.features.images.read_image`.

    Raises:
        ValueError: its mode has no known range of values. Pillow raises nearly anything on one that
            is not decoded yet.
    """
    if image.mode.startswith("I;16") or (image.mode == "I" and image.format == "PNG"):
        image = Image.fromarray((np.asarray(image).astype(np.int64) >> 8).astype(np.uint8))
    elif image.mode in ("I", "F"):
        raise ValueError(f"mode {image.mode!r} has no known range of values, convert it to 8 bits")
    if image.has_transparency_data:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return image.convert("RGB")
