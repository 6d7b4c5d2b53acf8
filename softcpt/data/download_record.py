"""Remembers what the first download of a file was, where its publisher states no checksum, and
refuses another one."""

from __future__ import annotations

import hashlib
from datetime import datetime, timezone
from pathlib import Path

from softcpt.data.source import Source
from softcpt.errors import UserError
from softcpt.utils.download import file_digest
from softcpt.utils.files import write_json
from softcpt.utils.kinds import Kind, wrong_value
from softcpt.utils.text_files import read_json

RECORD = "downloads.json"  # in the data set's folder
_SHA256 = "0" * len(hashlib.sha256().hexdigest())  # stands for the kind of digest

Entry = dict[str, str]
_KINDS: dict[str, Kind] = {"version": str, "first": str}


def check_arrival(source: Source, folder: Path, file: Path) -> None:
    """Compare a file that was just downloaded with what its source gave the first time, and write
    that down if this is the first time; of one with a published checksum nothing is done.

    Args:
        source: where it is from.
        folder: the data set's.
        file: the bytes, under a temporary name.

    Raises:
        UserError: it is another file, or the record is damaged.
    """
    if not (source.sha256 or source.md5):
        remember(source, folder, f"sha256 {file_digest(file, _SHA256)}")


def remember(source: Source, folder: Path, version: str) -> None:
    """The same, of the words that tell one version of a file from another.

    Raises:
        UserError: as :func:`check_arrival`.
    """
    path = folder / RECORD
    record = read_record(path)
    key = _key(source)
    known = record.get(key)
    if known is None:
        today = datetime.now(timezone.utc).date().isoformat()
        write_json(path, {**record, key: {"version": version, "first": today}})
    elif known["version"] != version:
        raise UserError(
            f"{source.file}: {source.address} gives another file ({version[:19]}...) than on "
            f"{known['first']} ({known['version'][:19]}...), which was deleted; if you trust it, "
            f"delete its entry in {path} and run this command again"
        )


def forget(source: Source, folder: Path) -> None:
    """Take a file out of the record: it was damaged.

    Raises:
        UserError: as :func:`check_arrival`.
    """
    record = read_record(folder / RECORD)
    if record.pop(_key(source), None):
        write_json(folder / RECORD, record)


def _key(source: Source) -> str:
    return f"{source.address} {source.file}"  # one archive may give several files


def read_record(path: Path) -> dict[str, Entry]:
    """The record; without one, an empty one.

    Raises:
        UserError: it is damaged.
    """
    if not path.is_file():
        return {}
    remedy = "delete it: the next downloads are then taken for the first"
    record = read_json(path, "record of downloads", remedy)
    entries = record.values() if isinstance(record, dict) else [None]
    for entry in entries:
        if not isinstance(entry, dict) or wrong_value(entry, _KINDS):
            raise UserError(f"record of downloads {path}: not as it was written; {remedy}")
    return dict(record)
