"""Downloads files, which arrive whole or not at all and continue where they were interrupted.

These are our own lines because no library that is widely kept does all three: continue a part only
if the server's file is still the same, check its digest, and let one of several processes do it.
"""

from __future__ import annotations

import errno
import hashlib
import http.client
import os
import re
import shutil
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tqdm import tqdm

from softcpt.errors import UserError
from softcpt.utils.files import cannot_write
from softcpt.utils.locks import file_lock

_ATTEMPTS = 5  # that bring less than a block, one after the other
_PAUSE = 1.0  # seconds before the second attempt; twice as long before each further one
_BLOCK = 1 << 20


def download(
    url: str,
    path: Path,
    checksum: str | None = None,
    arrived: Callable[[Path], None] = lambda _: None,
) -> Path:
    """Download ``url`` to ``path``, which appears only when whole and with the right checksum.

    An interrupted download continues where it stopped, in the same call or in a later one. Of
    several processes one downloads and the others wait for it.

    Args:
        url: http or https.
        path: the file to make; one that exists is left as it is.
        checksum: sha256 or md5 in hexadecimal. Without one a download continues only if the server
            can tell that its file has not changed.
        arrived: looks at the whole file before it has its name, and may refuse it.

    Raises:
        UserError: the server cannot be reached, refuses or sends a web page; the bytes have another
            checksum, or ``arrived`` refuses them, and they are deleted; the folder cannot be made
            or is too small.
    """
    make_folder(path.parent)
    partial = path.with_name(
        f".{path.name}.{(checksum or hashlib.sha256(url.encode()).hexdigest())[:8]}.part"
    )
    with file_lock(f"{partial}.lock"):
        if path.is_file():
            return path
        _fetch(url, path, partial, resumable=checksum is not None)
        try:
            if checksum and file_digest(partial, checksum) != checksum:
                raise UserError(
                    f"{path.name}: the bytes from {url} have the wrong {digest_name(checksum)} and "
                    f"were deleted; try again, or put the right file at {path}"
                )
            arrived(partial)
        except UserError:
            partial.unlink()
            _mark(partial).unlink(missing_ok=True)
            raise
        os.replace(partial, path)
        _mark(partial).unlink(missing_ok=True)
    return path


def make_folder(folder: Path) -> None:
    """Make ``folder`` and its parents.

    Raises:
        UserError: if it cannot be made, or not be written to.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if not os.access(folder, os.W_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    except OSError as error:
        raise cannot_write(folder, error) from error


def digest_name(checksum: str) -> str:
    """Which digest has the length of ``checksum``: "sha256" or "md5"."""
    return {64: "sha256", 32: "md5"}[len(checksum)]


def file_digest(path: Path, checksum: str) -> str:
    """Digest of a file in hexadecimal, of the kind that ``checksum`` is."""
    digest = hashlib.new(digest_name(checksum), usedforsecurity=False)
    with (
        open(path, "rb") as file,
        tqdm(
            total=path.stat().st_size,
            unit="B",
            unit_scale=True,
            desc="checksum",
            delay=3,
            leave=False,
        ) as bar,
    ):
        while block := file.read(_BLOCK):
            digest.update(block)
            bar.update(len(block))
    return digest.hexdigest()


def need_room(folder: Path, wanted: int, what: str) -> None:
    """Raise UserError unless ``folder``'s disk has ``wanted`` bytes left for ``what``."""
    free = shutil.disk_usage(folder).free
    if wanted > free:
        raise UserError(
            f"{what}: needs {wanted / 1e6:,.1f} MB in {folder}, where {free / 1e6:,.1f} are free; "
            "make room"
        )


def _fetch(url: str, path: Path, partial: Path, resumable: bool) -> None:
    """Append to ``partial`` until it is whole; after a dropped connection it continues there."""
    failures = 0
    reason = "the connection was dropped again and again"
    while failures < _ATTEMPTS:
        if failures:
            time.sleep(_PAUSE * 2 ** (failures - 1))
        before = _size(partial)
        try:
            if _fetch_once(url, path, partial, resumable):
                return
        except urllib.error.HTTPError as error:
            reason = f"HTTP {error.code} {error.reason}"
            if error.code < 500 and error.code != 429:  # 429: too many requests, come back later
                break
        except urllib.error.URLError as error:
            reason = _first_line(error.reason)
            if not failures:
                break
        except (OSError, http.client.HTTPException) as error:
            reason = _first_line(error)
        failures = 0 if _size(partial) - before >= _BLOCK else failures + 1
    raise UserError(
        f"{path.name}: not in {path.parent}, and cannot be downloaded from {url} ({reason}); "
        f"download it elsewhere and put it at {path}"
    )


def _fetch_once(url: str, path: Path, partial: Path, resumable: bool) -> bool:
    """One request for what is missing. True when the server's whole length has arrived."""
    headers = _resume_headers(partial, resumable)
    have = _size(partial) if headers else 0
    request = urllib.request.Request(url, headers={"User-Agent": "softcpt", **headers})
    try:
        response = urllib.request.urlopen(request, timeout=30)
    except urllib.error.HTTPError as error:
        if error.code != 416:
            raise
        if error.headers.get("Content-Range") == f"bytes */{have}":
            return True  # nothing was missing
        partial.unlink(missing_ok=True)  # longer than the server's file
        return False
    with response:
        if response.status == 206 and not _starts_at(response, have):
            partial.unlink()
            return False
        have = have if response.status == 206 else 0
        _refuse_page(response, url, path)
        _refuse_downgrade(response, url, path)
        length = response.headers.get("Content-Length")
        total = have + int(length) if length else None
        need_room(path.parent, (total or 0) - have, path.name)
        if not have:
            # Before its mark changes, should we be killed in between.
            partial.unlink(missing_ok=True)
            if not resumable:
                _mark(partial).write_text(_validator(response), encoding="utf-8")
        have += _copy(response, partial, path, have, total)
    return total is None or have >= total


def _resume_headers(partial: Path, resumable: bool) -> dict[str, str]:
    """Headers that ask for what ``partial`` lacks; none where the server's file might be another
    one by now."""
    mark = _mark(partial)
    written = mark.read_bytes().decode(errors="replace") if mark.is_file() else ""
    validator = written if written.isprintable() and written.isascii() else ""  # else damaged
    if not _size(partial) or not (resumable or validator):
        return {}
    headers = {"Range": f"bytes={_size(partial)}-"}
    return headers if resumable else {**headers, "If-Range": validator}


def _mark(partial: Path) -> Path:
    """The file that says which version of the server's file ``partial`` is the beginning of."""
    return partial.with_name(f"{partial.name}.version")


def _validator(response: http.client.HTTPResponse) -> str:
    etag = response.headers.get("ETag", "")
    return response.headers.get("Last-Modified", "") if not etag or etag.startswith("W/") else etag


def _starts_at(response: http.client.HTTPResponse, have: int) -> bool:
    sent = re.match(r"bytes (\d+)-", response.headers.get("Content-Range", ""))
    return sent is not None and int(sent[1]) == have


def _refuse_page(response: http.client.HTTPResponse, url: str, path: Path) -> None:
    if response.headers.get_content_type() == "text/html" and path.suffix not in (".html", ".htm"):
        raise UserError(
            f"{path.name}: {url} sends a web page in its place (moved, or a login is needed); "
            f"download it with a browser and put it at {path}"
        )


def _refuse_downgrade(response: http.client.HTTPResponse, url: str, path: Path) -> None:
    """A redirection from https to plain http lets anybody on the way change the file."""
    if url.startswith("https:") and not response.geturl().startswith("https:"):
        raise UserError(
            f"{path.name}: {url} leads to {response.geturl()}, which is not https; download it by "
            f"hand and put it at {path}"
        )


def _copy(
    response: http.client.HTTPResponse, partial: Path, path: Path, have: int, total: int | None
) -> int:
    """Add what the server sends to ``partial``; returns how many bytes that is.

    Raises:
        UserError: the disk is full or fails, which is no fault of the connection's.
        OSError: the connection fails.
    """
    copied = 0
    bar = tqdm(total=total, initial=have, unit="B", unit_scale=True, desc=path.name)
    with _own_errors(path), open(partial, "ab" if have else "wb") as file, bar:
        while block := _received(response):
            file.write(block)
            copied += len(block)
            bar.update(len(block))
    return copied


@contextmanager
def _own_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except _ConnectionError as error:
        raise error.reason from error
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            message = f"{path.parent}: the disk is full; make room, the download continues"
            raise UserError(message) from error
        raise cannot_write(path, error) from error


class _ConnectionError(Exception):
    """Holds the error of a connection apart from those of the disk."""

    def __init__(self, reason: Exception) -> None:
        super().__init__(str(reason))
        self.reason = reason


def _received(response: http.client.HTTPResponse) -> bytes:
    try:
        return response.read(_BLOCK)
    except (OSError, http.client.HTTPException) as error:
        raise _ConnectionError(error) from error


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0


def _first_line(error: object) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0][:200]
