"""The model behind the page: it decodes and classifies one image after the other."""

from __future__ import annotations

import io
from collections.abc import Sequence

from PIL import Image, UnidentifiedImageError
from torch import Tensor

from softcpt.artefacts.adapted import AdaptedClip
from softcpt.artefacts.prediction import Classifiers, Entry, Failed, Predictor, chosen_task
from softcpt.artefacts.serve.limits import Limits, in_millions
from softcpt.errors import reason_of
from softcpt.utils.rgb import as_rgb

# Readers of Pillow that only read: others start programs (EPS), or follow what a file points to.
FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "PPM")


class Model:
    """An artefact that answers. Its methods are to be called by one thread at a time.

    Args:
        adapted: what was trained.
        limits: the pixels of an image.
    """

    def __init__(self, adapted: AdaptedClip, limits: Limits) -> None:
        self.adapted, self.limits = adapted, limits
        self._classifiers = Classifiers(adapted.method.eval())
        self._transform = adapted.image_preprocessing.transform()
        # Classes are encoded now, not while the first sender waits.
        Predictor(adapted.method, adapted.tasks.names[0], 1, self._classifiers)

    def decode(self, name: str, content: bytes) -> Tensor | Failed:
        """An image file as the model's input (3, S, S), or what is wrong with it."""
        try:
            with Image.open(io.BytesIO(content), formats=FORMATS) as image:
                width, height = image.size
                if width * height <= self.limits.pixels:
                    ready: Tensor = self._transform(as_rgb(image))
                    return ready
                size = f"{width:,} x {height:,} pixels are"
        except Image.DecompressionBombError:
            size = "it has"
        except UnidentifiedImageError:
            kinds = ", ".join(FORMATS)
            return Failed(name, f"is no image of a known kind ({kinds})" if content else "is empty")
        except Exception as error:  # noqa: BLE001 - damaged bytes make Pillow raise nearly any
            reason = reason_of(error)
            return Failed(name, f"cannot be read ({reason[:200]})")
        most = in_millions(self.limits.pixels)
        return Failed(name, f"{size} more than {most} megapixels; make it smaller")

    def classify(
        self, images: Sequence[Tensor | Failed], task: str | None, top: int
    ) -> tuple[str, list[Entry]]:
        """The task that was predicted for, or "all" or "auto", and an entry for each image that
        :meth:`decode` gave.

        Raises:
            UserError: there is no such task, or none was given; ``top`` is below 1.
        """
        task = chosen_task(self.adapted.tasks, task)
        predictor = Predictor(self.adapted.method, task, top, self._classifiers)
        read = [image for image in images if isinstance(image, Tensor)]
        found = predictor.stream(read, self.adapted.image_preprocessing, workers=0)
        return task, [image if isinstance(image, Failed) else next(found) for image in images]
