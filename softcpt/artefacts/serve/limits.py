"""What the server takes, and how it says no."""

from __future__ import annotations

from dataclasses import dataclass

MEGA = 1_000_000


@dataclass(frozen=True)
class Limits:
    """What one request may have.

    Attributes:
        image_bytes: of one image file.
        images: files of a request.
        pixels: of one image, decoded.
    """

    image_bytes: int = 20 * MEGA
    images: int = 32
    pixels: int = 50 * MEGA

    @property
    def request_bytes(self) -> int:
        """Of a whole request: its images, and what stands between them."""
        return self.images * (self.image_bytes + 4096) + 65_536


class Refused(Exception):  # noqa: N818 - it is an answer, not a fault of ours
    """A request that is answered with an error.

    Args:
        status: of HTTP.
        message: what is wrong, and what helps.
    """

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status, self.message = status, message


def in_millions(count: int) -> str:
    """Such as "20" or "0.5": sizes in MB and in megapixels."""
    return f"{count / MEGA:.3g}"
