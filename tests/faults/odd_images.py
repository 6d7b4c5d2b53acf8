"""Tables and folders of images as they should not be, each in another way."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from pathlib import Path

from PIL import Image

TABLES = {
    "nothing": b"",
    "one line": b"path,label\n",
    "no columns": b"a.png,red\n",
    "a row too long": b"path,label\na.png,red,x,y\n",
    "a row too short": b"path,label\na.png\n",
    "an open quotation": b'path,label\n"a.png,red\n',
    "a long cell": b"path,label\na.png," + b"x" * 200_000 + b"\n",
    "a NUL": b"path,label\na\0.png,red\n",
    "UTF-16": "path,label\na.png,red\n".encode("utf-16"),
    "Latin-1": "path,label\na.png,rosé\n".encode("latin-1"),
    "semicolons": b"path;label\na.png;red\n",
    "a column twice": b"path,label,label\na.png,red,blue\n",
    "a path outside": b"path,label\n/etc/passwd,red\n../a.png,blue\n",
    "a folder as path": b"path,label\n.,red\na.png,blue\n",
    "an unknown part": b"path,label,split\na.png,red,holdout\n",
    "test alone": b"path,label,split\na.png,red,test\nb.png,blue,test\n",
    "one class": b"path,label\na.png,red\nb.png,red\n",
    "two labels": b"path,label\na.png,red\na.png,blue\n",
    "columns without labels": b"path,colour,kind\na.png,,\nb.png,,\n",
    "columns of names": b"path,id,kind\n" + b"".join(b"a%d.png,%d,x\n" % (i, i) for i in range(9)),
    "lines of Windows": b"path,label\r\na.png,red\r\nb.png,blue\r\n",
    "lines of old Macs": b"path,label\ra.png,red\rb.png,blue\r",
}


def write_picture(path: Path, size: tuple[int, int] = (32, 32), mode: str = "RGB") -> None:
    """An image, and its folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new(mode, size).save(path)


def _classes(folder: Path, *names: str) -> Path:
    """Class folders of three images each."""
    for name in names or ("blue", "red"):
        for number in range(3):
            write_picture(folder / name / f"{number}.png")
    return folder


def _pipe(folder: Path) -> None:
    os.mkfifo(_classes(folder) / "red/9.png")


def _socket(folder: Path) -> None:
    here = Path.cwd()
    os.chdir(_classes(folder) / "red")
    with socket.socket(socket.AF_UNIX) as place:
        place.bind("9.png")
    os.chdir(here)


def write(path: Path, content: bytes) -> None:
    """A file, and its folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def _cut(folder: Path) -> None:
    path = _classes(folder) / "red/0.png"
    path.write_bytes(path.read_bytes()[:40])


def _bomb(folder: Path) -> None:
    write_picture(_classes(folder) / "red/9.png", (20_000, 20_000), "1")


def _undecodable(folder: Path) -> None:
    _classes(folder)
    os.rename(folder / "red", os.fsencode(folder) + b"/ros\xe9")


FOLDERS: dict[str, Callable[[Path], object]] = {
    "empty": lambda folder: folder.mkdir(),
    "files alone": lambda folder: write_picture(folder / "a.png"),
    "one class": lambda folder: _classes(folder, "red"),
    "an empty class": lambda folder: (_classes(folder) / "green").mkdir(),
    "a class of texts": lambda folder: write(_classes(folder) / "green/a.txt", b"x"),
    "an image of no bytes": lambda folder: write(_classes(folder) / "red/9.png", b""),
    "an image of text": lambda folder: write(_classes(folder) / "red/9.png", b"hello"),
    "an image that is cut": _cut,
    "an image that is a folder": lambda folder: (_classes(folder) / "red/9.png").mkdir(),
    "an image that is a pipe": _pipe,
    "an image that is a socket": _socket,
    "an image that is a device": lambda folder: (_classes(folder) / "red/9.png").symlink_to(
        "/dev/zero"
    ),
    "an image that leads to itself": lambda folder: (_classes(folder) / "red/9.png").symlink_to(
        "9.png"
    ),
    "an image that leads nowhere": lambda folder: (_classes(folder) / "red/9.png").symlink_to("x"),
    "a class that leads to itself": lambda folder: (_classes(folder) / "green").symlink_to("green"),
    "a class that leads back": lambda folder: (_classes(folder) / "red/green").symlink_to(".."),
    "a huge image": _bomb,
    "an image of one pixel": lambda folder: write_picture(_classes(folder) / "red/9.png", (1, 1)),
    "a thin image": lambda folder: write_picture(_classes(folder) / "red/9.png", (1, 5000)),
    "a class that is not UTF-8": _undecodable,
    "a class with a line break": lambda folder: _classes(folder, "blue", "re\nd"),
    "a class with a brace": lambda folder: _classes(folder, "blue", "re{}d", "{0}", "%s"),
    "a class of blanks": lambda folder: _classes(folder, "blue", "  "),
    "a class of signs": lambda folder: _classes(folder, "blue", "😀", "-", "__"),
    "a long class": lambda folder: _classes(folder, "blue", "word " * 50),
    "classes that differ in case": lambda folder: _classes(folder, "Red", "red"),
    "a damaged split": lambda folder: write(_classes(folder) / "split_drawn.json", b"{"),
    "another split": lambda folder: write(_classes(folder) / "split_drawn.json", b"[]"),
    "a task's name that is a folder": lambda folder: (_classes(folder) / "task_name.txt").mkdir(),
    "a task's name that is no text": lambda folder: write(
        _classes(folder) / "task_name.txt", b"\xff\xfe\xe9"
    ),
    "a task's name that is long": lambda folder: write(
        _classes(folder) / "task_name.txt", b"x " * 5000
    ),
    "a table of classes that is none": lambda folder: write(
        _classes(folder) / "classes.csv", b"\0\0\0"
    ),
    "an archive that is none": lambda folder: write(_classes(folder) / "red.zip", b"PK\3\4"),
}
