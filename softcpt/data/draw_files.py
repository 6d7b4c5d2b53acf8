"""Reads few-shot draws that were kept, published ones as they are; draws and keeps new ones."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from softcpt.data.few_shot import few_shot_indices
from softcpt.data.published_draws import Paths, checked_paths, read_index, read_lines, read_pickle
from softcpt.data.split import Item, Split
from softcpt.data.writable_path import writable_path
from softcpt.errors import UserError
from softcpt.utils.files import write_json
from softcpt.utils.text_files import read_json

Drawn = dict[str, list[Item]]
# Of a split, shots and a seed: places in the split's lists, by part.
Draw = Callable[[Split, int, int], dict[str, list[int]]]


def as_coop_draws(split: Split, shots: int, seed: int) -> dict[str, list[int]]:
    """``shots`` training and min(shots, 4) validation images of each class."""
    rows = {
        part: [(item.path, (item.task, item.label)) for item in getattr(split, part)]
        for part in ("train", "val")
    }
    return few_shot_indices(rows, shots, seed)


def kept_draw(
    split: Split,
    shots: int,
    seed: int,
    folder: Path,
    kept: Sequence[str],
    draw: Draw,
    draw_val: bool = True,
) -> tuple[Drawn, str]:
    """``shots`` images of each class of ``split`` for training, some for validation, and where they
    are from.

    A draw of this seed that one of ``kept`` in ``folder`` holds is used: CoOp's pickle, 2SFS's pair
    of ``.jsonl``, the index file of cross-modal adaptation, or ours; ours only while the split is
    the one it was drawn from. Otherwise it is drawn and written into the first
    (:func:`softcpt.data.writable_path.writable_path`), with relative paths and the split's digest.

    Args:
        split: the whole split.
        shots: images per class; below 1: all.
        seed: of the draw.
        folder: the data set's folder.
        kept: names of the folders with draws, "split_fewshot"; the first that has another program's
            counts.
        draw: what is done where no draw is on disk.
        draw_val: False: validation images are left as they are (ImageNet).

    Raises:
        UserError: a file is unreadable, cannot be written, or lists images that are not in this
            split.
    """
    if shots < 1:
        return {"train": split.train, "val": split.val}, ""
    names = [f"{place}/shot_{shots}-seed_{seed}" for place in kept]
    found = next(filter(None, (_published(folder, name) for name in names)), None)
    new: Drawn = {}
    if found is None:
        path = writable_path(folder, f"{names[0]}.json")
        places = draw(split, shots, seed)
        new = {part: [getattr(split, part)[place] for place in places[part]] for part in places}
        found = _own(split, shots, seed, path, new), path
    paths, source = found
    drawn: Drawn = {"val": split.val}
    for part in ("train", "val") if draw_val else ("train",):
        own = new.get(part, [])
        # A path does not say which item is meant where an image is in two tasks.
        drawn[part] = (
            own
            if [item.path for item in own] == paths.get(part)
            else _match(paths.get(part, []), getattr(split, part), source)
        )
    return {"train": drawn["train"], "val": drawn["val"]}, source.name


def _published(folder: Path, name: str) -> tuple[Paths, Path] | None:
    """The draw that another program left."""
    for ending, read in ((".pkl", read_pickle), ("_train.jsonl", read_lines)):
        path = folder / f"{name}{ending}"
        if path.is_file():
            return read(path), path
    return None


def _own(split: Split, shots: int, seed: int, path: Path, new: Drawn) -> Paths:
    """Our draw, or an index file of the same name; ``new`` is written if there is none, or of
    another split."""
    digest = split.digest()
    if path.is_file():
        content = _read_json(path)
        if "split_sha256" not in content:
            return read_index(content, path)
        if content["split_sha256"] == digest and {"train", "val"} <= content.keys():
            return checked_paths({part: content[part] for part in ("train", "val")}, path)
    paths = {part: [item.path for item in items] for part, items in new.items()}
    about = {"split": split.source, "split_sha256": digest, "shots": shots, "seed": seed}
    write_json(path, {**about, **paths})
    return paths


def _read_json(path: Path) -> dict[str, Any]:
    content = read_json(path, "few-shot file", "delete it, and it is drawn again")
    if isinstance(content, dict):
        return content
    raise UserError(f"few-shot file {path}: a mapping is needed; delete it, and it is drawn again")


def _match(paths: Sequence[str], items: Sequence[Item], source: Path) -> list[Item]:
    """The items with these paths. A path may begin with folders of the machine it was written
    on."""
    known = {item.path: item for item in items}
    matched = []
    for path in paths:
        item = _item_at_end(path.replace("\\", "/"), known)
        if item is None:
            raise UserError(
                f"few-shot file {source}: its image {path[:200]} is not in that part of this data "
                "set's split; delete the file, and it is drawn again, or restore the split file it "
                "belongs to"
            )
        matched.append(item)
    return matched


def _item_at_end(path: str, known: dict[str, Item]) -> Item | None:
    """The item whose path is the longest end of ``path``."""
    end = path
    while end not in known:
        _, slash, end = end.partition("/")
        if not slash:
            return None
    return known[end]
