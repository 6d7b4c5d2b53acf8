"""Every reader of files that others may have written, with a right file for each."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image as PictureOf

import softcpt
from softcpt.artefacts import checkpoint
from softcpt.artefacts.artefact_files import read_config
from softcpt.artefacts.published_checkpoints import read_reference
from softcpt.clip.loading import _folder_files
from softcpt.clip.weights import read_state_dict
from softcpt.data.download_record import read_record as record_of_downloads
from softcpt.data.draw_files import as_coop_draws, kept_draw
from softcpt.data.published_draws import read_lines
from softcpt.data.split import Item, Split, read_split
from softcpt.data.task_data import load_data
from softcpt.engine.continuation import read_run
from softcpt.engine.early_stop import EarlyStop
from softcpt.engine.lookahead import Lookahead
from softcpt.engine.results_file import read_results as results_of_run
from softcpt.engine.tested_run import find_tested_run
from softcpt.errors import UserError
from softcpt.features.block_file import BlockFile
from softcpt.grid.launch import read_launch
from softcpt.grid.state import read_record
from softcpt.report.log_txt import read_log
from softcpt.report.results_json import UnreadableError, read_results
from softcpt.study.earlier import read_earlier
from softcpt.testing.random_clip import random_openai_state_dict
from softcpt.utils.text_files import read_table
from softcpt.utils.yaml_file import read_yaml

# What a reader may end in.
REFUSED = (UserError, UnreadableError)


@dataclass(frozen=True)
class Case:
    """A reader.

    Attributes:
        file: name of the file that is damaged.
        write: writes right files into a folder.
        read: of the damaged file's path.
        names: whether a refusal names the file (else whoever calls the reader does).
    """

    file: str
    write: Callable[[Path], None]
    read: Callable[[Path], Any]
    names: bool = True


def _json(name: str, value: Any) -> Callable[[Path], None]:
    return lambda folder: (folder / name).write_text(json.dumps(value)) and None


SPLIT = {
    "train": [["a/1.jpg", 0, "a"], ["b/1.jpg", 1, "b"]],
    "val": [],
    "test": [["a/2.jpg", 0, "a"]],
}
MANY = {
    "train": [["a/1.jpg", [0], [0]], ["b/1.jpg", [1], [0]]],
    "val": [],
    "test": [["c/2.jpg", [0], [1]]],
    "meta": {"taskid2cname": [["a", "b"], ["c"]], "taskid2tname": ["x", "y"]},
}
RESULTS: dict[str, Any] = {
    "schema": 1,
    "method": "CoOp",
    "shared": {"dataset": "Pets", "backbone": "RN50", "classes": "all", "shots": 4, "seed": 1},
    "class_names": {"pets": ["cat", "dog"]},
    "config": "A:\n  B: 1\n",
    "tasks": {
        "CoOp": [
            {
                "name": "pets",
                "metric": 50.0,
                "accuracy": 50.0,
                "mean_per_class": 50.0,
                "macro_f1": 50.0,
                "correct": 1,
                "total": 2,
                "per_class": {"images": [1, 1], "correct": [1, 0]},
            }
        ]
    },
}
JOB = {"name": "a", "folder": "a", "flags": ["--seed", "1"], "needs": ""}
LAUNCH = {"name": "1", "output": "o", "cwd": "c", "attempts": 1, "threads": 1, "jobs": [JOB]}
PROMPT: dict[str, Any] = {
    "method": "CoOp",
    "backbone": "tiny",
    "fingerprint": "f" * 64,
    "tasks": ["pets"],
    "classes": [["cat", "dog"]],
    "options": {"n_ctx": 4},
    "epoch": 3,
    "val_result": None,
}
RUN: dict[str, Any] = {
    "config": "SEED: 1\n",
    "data": "d" * 64,
    "source": None,
    "epoch": 1,
    "best": None,
    "seconds": {"text": 1.0},
    "curve": [{"epoch": 1, "loss": 0.5}],
    "scaler": {},
}
TABLE = [[0.5, 0.25], [0.0, 1.0]]
LATER: dict[str, Any] = {
    "selected": {"what": "epoch", "on": "val", "value": 1},
    "early_stop": {"best": 50.0, "best_epoch": 1, "stopped_after": None},
    "lookahead": {
        "every": 2,
        "seen": 3,
        "steps": 2,
        "sums": {"train": TABLE},
        "counts": {"train": [[2, 1], [0, 2]]},
    },
}
STUDY = {
    "tasks": ["cats", "dogs"],
    "matrices": [{"method": "CoOp-MT", "reading": "joint", "alone": [50.0, 60.0], "paired": TABLE}],
    "groups": {"CoOp-MT": {"groups": [[[0, 1]]]}},
}
DOWNLOADS = {"https://a.org/a.zip a.zip": {"version": "sha256 " + "0" * 64, "first": "2026-01-01"}}


def _draw(path: Path) -> Any:
    return kept_draw(_split(), 1, 1, path.parent, ["."], as_coop_draws)


def _split() -> Split:
    train = [Item("a/1.jpg", 0, 0), Item("b/1.jpg", 0, 1)]
    return Split(train, [], [], [["a", "b"]])


def _tensors(header: dict[str, Any], name: str) -> Callable[[Path], None]:
    return lambda folder: checkpoint.save_tensors(folder / name, {"ctx": torch.ones(4, 8)}, header)


def _block_file(folder: Path) -> None:
    entry = BlockFile(folder)
    entry.create((3, 4), "float32", 2, {"name": "tiny"})
    entry.write(0, np.ones((2, 4), np.float32), [])
    entry.write(1, np.ones((1, 4), np.float32), [])
    entry.finish({})


def _published(folder: Path) -> None:
    (folder / "prompt_learner").mkdir()
    state = {"state_dict": {"ctx": torch.ones(4, 8)}, "epoch": 2}
    torch.save(state, folder / "prompt_learner/model.pth.tar-2")


def _model_folder(folder: Path) -> None:
    config = {"model_cfg": {"text_cfg": {}, "vision_cfg": {}}, "preprocess": {"size": 32}}
    (folder / "m.json").write_text(json.dumps(config))
    checkpoint.save_tensors(folder / "m.safetensors", {"a.left": torch.ones(2)}, {})


def _arrays(folder: Path) -> None:
    np.savez(folder / "w.npz", a=np.ones((3, 4), np.float32), b=np.arange(5))


def _resumed(path: Path) -> Any:
    """What a run that goes on takes from its file, but for tensors."""
    header = read_run(path)[1]
    EarlyStop(3).load(header.get("early_stop"), path)
    Lookahead(2).load_state(header.get("lookahead"), 2, path)
    return header


def _tested(folder: Path) -> None:
    checkpoint.save_tensors(
        checkpoint.prompt_file(folder, 1), {"prompt_learner.ctx": torch.ones(4, 8)}, PROMPT
    )
    config = "SEED: 1\nTRAINER:\n  NAME: CoOp\n"
    (folder / "results.json").write_text(json.dumps(RESULTS | {"config": config}))


def _columns(folder: Path) -> None:
    rows = ["image,split,colour,kind"]
    for number in range(12):
        (folder / f"{number}.png").touch()
        rows.append(f"{number}.png,{'train' if number % 2 else 'test'},red,{'ab'[number % 2]}")
    rows[1] = rows[1].replace("red", "blue")
    (folder / "t.csv").write_text("\n".join([*rows, "0.png,test,,a", ""]))


def _saved(folder: Path) -> None:
    from datasets import ClassLabel, Dataset, Features, Image

    kinds = Features({"image": Image(), "label": ClassLabel(names=["cat", "dog"])})
    picture = PictureOf.new("RGB", (8, 8))
    content = {"image": [picture] * 8, "label": [0, 1] * 4}
    Dataset.from_dict(content, features=kinds).save_to_disk(str(folder / "saved"))


def _family(folder: Path) -> None:
    from tests.helpers.model_families import write_family

    write_family("SigLIP", folder / "siglip")


@functools.cache
def _clip() -> softcpt.Clip:
    return softcpt.load_clip(random_openai_state_dict("vit"), device="cpu")


def _artefact(folder: Path) -> None:
    tasks = softcpt.TaskSet([softcpt.Task("pets", ["cat", "dog"])])
    features = torch.eye(_clip().embed_dim)[:4]
    data = softcpt.FeatureData(tasks, features, torch.arange(4) % 2)
    softcpt.fit("CoOp", _clip(), data, epochs=1, progress=False).save(folder / "prompt")


CASES = {
    "npz": Case("w.npz", _arrays, read_state_dict),
    "model folder": Case(
        "m.json", _model_folder, lambda path: _folder_files(path.parent), names=False
    ),
    "pth": Case(
        "w.pth", lambda folder: torch.save({"a": torch.ones(3)}, folder / "w.pth"), read_state_dict
    ),
    "prompt": Case("p.safetensors", _tensors(PROMPT, "p.safetensors"), checkpoint.load_prompt),
    "run": Case("resume.safetensors", _tensors(RUN, "resume.safetensors"), read_run),
    "run that stops early": Case(
        "resume.safetensors", _tensors(RUN | LATER, "resume.safetensors"), _resumed
    ),
    "columns": Case("t.csv", _columns, lambda path: load_data(path, shots=1)),
    "data set of Hugging Face": Case(
        "saved/state.json", _saved, lambda path: load_data(path.parent)
    ),
    "prompt of a user": Case(
        "prompt/config.json", _artefact, lambda path: softcpt.load_prompt(path.parent, _clip())
    ),
    **{
        f"model and its {file}": Case(
            f"siglip/{file}", _family, lambda path: softcpt.load_clip(path.parent, device="cpu")
        )
        for file in ("open_clip_config.json", "tokenizer.json", "tokenizer_config.json")
    },
    "downloads": Case("downloads.json", _json("downloads.json", DOWNLOADS), record_of_downloads),
    "study": Case(
        "study.json",
        _json("study.json", STUDY),
        lambda path: read_earlier(path, ["cats", "dogs"]),
    ),
    "results of a run": Case("results.json", _json("results.json", RESULTS), results_of_run),
    "prompt of a test": Case(
        "prompt/epoch-1.safetensors",
        _tested,
        lambda path: find_tested_run(str(path.parents[1]), None),
    ),
    "settings of a test": Case(
        "results.json", _tested, lambda path: find_tested_run(str(path.parent), None)
    ),
    "images of a test": Case(
        "prompt/config.json", _artefact, lambda path: find_tested_run(str(path.parent), None)
    ),
    "published": Case(
        "prompt_learner/model.pth.tar-2",
        _published,
        lambda path: read_reference(str(path.parents[1]), None),
    ),
    "split": Case("split.json", _json("split.json", SPLIT), read_split),
    "split of tasks": Case("split.json", _json("split.json", MANY), read_split),
    "draw": Case(
        "shot_1-seed_1.json",
        lambda folder: _draw(folder / "shot_1-seed_1.json") and None,
        _draw,
    ),
    "jsonl": Case("x_train.jsonl", lambda folder: _lines(folder / "x_train.jsonl"), read_lines),
    "results": Case("results.json", _json("results.json", RESULTS), read_results, names=False),
    "bank": Case("meta.json", _block_file, lambda path: BlockFile(path.parent).is_whole()),
    "artefact": Case(
        "config.json",
        _json(
            "config.json",
            {
                "format": 1,
                "method": "CoOp",
                "options": {},
                "backbone": {},
                "tasks": [],
                "preprocessing": {},
                "prompt": {},
            },
        ),
        lambda path: read_config(path.parent),
    ),
    "job": Case(
        "job.json",
        _json(
            "job.json",
            {
                "state": "done",
                "launch": "a",
                "attempts": {"a": 1},
                "host": "h",
                "pid": 1,
                "started": 1.0,
                "seconds": 1.0,
                "error": "",
            },
        ),
        lambda path: read_record(str(path.parent)),
    ),
    "launch": Case(
        "launch.json", _json("launch.json", LAUNCH), lambda path: read_launch(str(path))
    ),
    "yaml": Case(
        "a.yaml",
        lambda folder: (folder / "a.yaml").write_text("A: {B: [1, 2.5, x]}\n") and None,
        lambda path: read_yaml(path, "config"),
    ),
    "table": Case(
        "a.csv",
        lambda folder: (folder / "a.csv").write_text("path,label\na.jpg,cat\n") and None,
        lambda path: list(read_table(path)),
    ),
    "log": Case(
        "log.txt",
        lambda folder: (folder / "log.txt").write_text("* accuracy: 50.0%\n") and None,
        read_log,
        names=False,
    ),
}


def _lines(path: Path) -> None:
    path.write_text("".join(json.dumps({"_impath": f"a/{number}.jpg"}) + "\n" for number in (1, 2)))
