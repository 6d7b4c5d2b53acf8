"""Real file systems that are too small, read-only, or not ours to write to; root alone makes
them."""

from __future__ import annotations

import ctypes
import os
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PAGE = 4096  # bytes: what a file of one byte takes
_CAPABILITIES_V3 = 0x20080522
_OVERRIDES = 0b1110  # CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH and CAP_FOWNER
_ROOMY = "size=256m,nr_inodes=10000"


def can_mount() -> bool:
    """Whether this process may mount a file system."""
    if not hasattr(os, "geteuid") or os.geteuid():
        return False
    with tempfile.TemporaryDirectory() as place:
        try:
            with mounted(Path(place)):
                return True
        except subprocess.CalledProcessError:
            return False


@contextmanager
def mounted(place: Path) -> Iterator[SmallDisk]:
    """A file system in memory at the folder ``place``, which is made; first with room."""
    place.mkdir(parents=True, exist_ok=True)
    _mount("-t", "tmpfs", "-o", _ROOMY, "tmpfs", str(place))
    try:
        yield SmallDisk(place)
    finally:
        subprocess.run(["umount", "--lazy", str(place)], check=True)


class SmallDisk:
    """A file system at ``place``."""

    def __init__(self, place: Path) -> None:
        self.place = place

    def used(self) -> tuple[int, int]:
        """Bytes and files that are there."""
        info = os.statvfs(self.place)
        return (info.f_blocks - info.f_bfree) * info.f_frsize, info.f_files - info.f_ffree

    def limit(self, room: int = 0, files: int = 0) -> None:
        """Leave so many bytes, and files; 0: as many as one likes."""
        bytes_used, files_used = self.used()
        size = f"size={max(bytes_used + room, PAGE)}" if room else "size=256m"
        count = f"nr_inodes={files_used + files}" if files else "nr_inodes=10000"
        _mount("-o", f"remount,{size},{count}", str(self.place))

    def make_readable_only(self) -> None:
        """Nothing can be written from now on."""
        _mount("-o", "remount,ro", str(self.place))

    def give_room(self) -> None:
        """All can be written from now on."""
        _mount("-o", f"remount,rw,{_ROOMY}", str(self.place))


def obey_permissions() -> None:
    """Have this process, root's, refused what a folder's permissions refuse its owner."""
    libc = ctypes.CDLL(None, use_errno=True)
    header, sets = (ctypes.c_uint32 * 2)(_CAPABILITIES_V3, 0), (ctypes.c_uint32 * 6)()
    for call, change in ((libc.capget, 0), (libc.capset, ~_OVERRIDES)):
        if change:
            sets[0] &= change  # those in effect of the first 32
        if call(header, sets):
            raise OSError(ctypes.get_errno(), "capabilities")


def _mount(*words: str) -> None:
    subprocess.run(["mount", *words], check=True, capture_output=True)
