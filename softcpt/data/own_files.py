"""Files of your own images beside the images themselves: an archive of them, a table of names."""

from __future__ import annotations

import hashlib
import logging
import os
import shutil
from pathlib import Path

from softcpt.data.unpack import unpack
from softcpt.errors import UserError
from softcpt.utils.files import cache_folder
from softcpt.utils.locks import file_lock
from softcpt.utils.text_files import read_table, table_columns

_log = logging.getLogger(__name__)

ARCHIVES = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz")
CLASS_TABLE = "classes.csv"


def archive_stem(path: Path) -> str | None:
    """The name of an archive without its ending ("my_flowers" of my_flowers.tar.gz); None: it is
    called as no archive."""
    for ending in sorted(ARCHIVES, key=len, reverse=True):
        if path.name.lower().endswith(ending):
            return path.name[: -len(ending)] or None
    return None


def unpacked_folder(archive: Path) -> Path:
    """The folder in the user's cache with what is in ``archive``, called as it is. It is unpacked
    once, and again when the file is another.

    Raises:
        UserError: as :func:`softcpt.data.unpack.unpack`.
    """
    info = archive.stat()
    described = f"{archive.resolve()} {info.st_size} {info.st_mtime_ns}"
    around = cache_folder() / "own" / hashlib.sha256(described.encode()).hexdigest()[:12]
    folder = around / (archive_stem(archive) or archive.name)
    if folder.is_dir():
        return folder
    around.mkdir(parents=True, exist_ok=True)
    # Moved into place when whole: a process that is killed leaves no half of it under that name.
    stage = around / ".unpacking"
    with file_lock(around / ".lock"):
        if folder.is_dir():  # another process was first
            return folder
        shutil.rmtree(stage, ignore_errors=True)  # of one that was killed
        try:
            unpack(archive, stage)
            os.rename(stage, folder)
        finally:
            shutil.rmtree(stage, ignore_errors=True)
    _log.info(f"{archive}: unpacked into {folder}")
    return folder


def class_table(folder: Path) -> dict[str, str]:
    """Class name by name of the class folder, as ``classes.csv`` in ``folder`` has it; empty: there
    is no such file.

    Raises:
        UserError: it has other columns than ``folder,name``, an empty cell, or names twice.
    """
    path = folder / CLASS_TABLE
    if not path.is_file():
        return {}
    names: dict[str, str] = {}
    if not {"folder", "name"} <= set(table_columns(path)):
        raise UserError(f"{path}: the columns folder,name are needed in its first line; fix it")
    for number, line in read_table(path):
        label, name = line["folder"], line["name"]
        if not (label and name) or label in names or name in names.values():
            raise UserError(
                f"{path} line {number}: '{label},{name}' is empty or there twice; give each class "
                "folder one name of its own"
            )
        names[label] = name
    return names
