"""Where a file of a data set comes from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

KINDS = ("http", "gdrive", "kaggle", "manual")


@dataclass(frozen=True)
class Source:
    """One file to fetch, and what is done with it.

    Attributes:
        url: an address (``kind`` "http"), a Google Drive file id ("gdrive"), a Kaggle "owner/name"
            ("kaggle"), or the page that a person must visit ("manual").
        file: name it is stored under, relative to the data set's folder ("annotations.tar.gz");
            with ``kind`` "kaggle" and "manual" the name that such a download has by default.
        kind: who fetches it; "manual" means a person, guided by ``note``.
        sha256: of the file, where it is known.
        md5: of the file, where the publisher states only that.
        unpack_to: folder that an archive is unpacked into, relative to the data set's folder ("."
            is that folder, ".." its parent: for archives whose top folder is the data set's
            folder); None: the file stays as it is.
        gives: path relative to the data set's folder that exists once this source is in place
            ("images", a file name); empty: ``file`` itself.
        rename: (from, to) after unpacking, both relative to the data set's folder; for archives
            whose folder has another name than the field uses.
        member: of a zip file at ``url``, the one file that is wanted: it alone is read.
        left_out: names of folders in an archive that are not unpacked.
        note: for a person: what to do by hand, or why a mirror is used.
    """

    url: str
    file: str
    kind: Literal["http", "gdrive", "kaggle", "manual"] = "http"
    sha256: str | None = None
    md5: str | None = None
    unpack_to: str | None = None
    gives: str = ""
    rename: tuple[tuple[str, str], ...] = ()
    member: str = ""
    left_out: tuple[str, ...] = ()
    note: str = ""

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"source {self.url}: kind {self.kind!r} is none of {', '.join(KINDS)}")

    @property
    def address(self) -> str:
        """What a person opens in a browser."""
        if self.kind == "gdrive":
            return f"https://drive.google.com/file/d/{self.url}/view"
        return f"https://www.kaggle.com/datasets/{self.url}" if self.kind == "kaggle" else self.url
