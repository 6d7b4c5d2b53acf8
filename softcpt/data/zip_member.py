"""Reads one file of a zip archive on a web server, and no more of the archive than that takes."""

from __future__ import annotations

import http.client
import io
import re
import urllib.request
import zipfile
import zlib
from typing import Any

from softcpt.errors import UserError, reason_of

# Of one file: lists of images are some megabytes.
_MOST = 1 << 28
_BLOCK = 1 << 20  # bytes that are asked for at once
_DAMAGE = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, ValueError)


def read_member(url: str, name: str) -> bytes:
    """The file ``name`` of the zip archive at ``url``, its checksum verified.

    Raises:
        UserError: the server cannot be reached or gives only whole files; the archive is damaged or
            holds no such file, or one of more than 256 MB.
    """
    place = f"{name} in {url}"
    try:
        stream = io.BufferedReader(_RemoteFile(url), _BLOCK)
        with zipfile.ZipFile(stream) as archive:
            info = archive.getinfo(name)
            if info.file_size > _MOST:
                raise UserError(f"{place}: {info.file_size:,} bytes; get the archive by hand")
            return archive.read(info)
    except KeyError as error:
        raise UserError(f"{place}: there is no such file; get the archive by hand") from error
    except _DAMAGE as error:
        reason = reason_of(error)
        raise UserError(f"{place}: damaged, or no zip archive ({reason}); try again") from error
    except (OSError, http.client.HTTPException) as error:
        reason = reason_of(error)
        raise UserError(f"{place}: cannot be read ({reason}); get the archive by hand") from error


class _RemoteFile(io.RawIOBase):
    """A file on a server, of which ranges of bytes are read."""

    def __init__(self, url: str) -> None:
        self._url, self._place = url, 0
        self._size = 0
        self._range(0, 1)

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._place, io.SEEK_END: self._size}[whence]
        self._place = start + offset
        return self._place

    def tell(self) -> int:
        return self._place

    def readinto(self, buffer: Any, /) -> int:
        end = min(self._place + len(buffer), self._size)
        if end <= self._place:
            return 0
        content = self._range(self._place, end)
        buffer[: len(content)] = content
        self._place += len(content)
        return len(content)

    def _range(self, start: int, end: int) -> bytes:
        """Bytes from ``start`` to before ``end``; also notes how many there are in all."""
        headers = {"User-Agent": "softcpt", "Range": f"bytes={start}-{end - 1}"}
        request = urllib.request.Request(self._url, headers=headers)
        with urllib.request.urlopen(request, timeout=30) as response:
            found = re.fullmatch(
                r"bytes (\d+)-\d+/(\d+)", response.headers.get("Content-Range", "")
            )
            if response.status != 206 or found is None or int(found[1]) != start:
                raise OSError("the server gives only whole files")
            if self._url.startswith("https:") and not response.geturl().startswith("https:"):
                raise OSError(f"it leads to {response.geturl()}, which is not https")
            self._size = int(found[2])
            content: bytes = response.read(end - start)
            return content
