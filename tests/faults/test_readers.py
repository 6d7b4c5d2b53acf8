"""Whatever is in a file, its reader returns data or says in one line what is wrong with it."""

from __future__ import annotations

import io
import resource
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save

from softcpt.artefacts import checkpoint
from softcpt.clip.weights import as_state_dict, read_state_dict
from softcpt.data.split import read_split
from softcpt.engine.continuation import find_run, read_run
from softcpt.errors import UserError
from tests.faults.fuzz import look_at, right_files
from tests.faults.readers import CASES, RUN

GIB = 1 << 30


@pytest.fixture(scope="module")
def right(tmp_path_factory) -> dict[str, Path]:
    """A folder with right files for each reader."""
    return right_files(tmp_path_factory.mktemp("right"))


@pytest.mark.parametrize("name", CASES)
def test_a_right_file_is_read(right, name):
    case = CASES[name]
    if name != "log":  # of a training that did not finish
        assert case.read(right[name] / case.file) is not None


@pytest.mark.parametrize("name", CASES)
@settings(max_examples=12)
@given(seed=st.integers(0, 2**32))
def test_a_damaged_file_is_data_or_one_line(right, name, seed):
    assert look_at(right[name], name, seed) == ""


def peak_after(action) -> int:
    action()
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def write_member(path: Path, shape: tuple[int, ...], content: bytes) -> None:
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        header, {"descr": "<f4", "fortran_order": False, "shape": shape}
    )
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("a.npy", header.getvalue() + content)


def test_an_npz_that_states_more_numbers_than_it_has_takes_no_memory(tmp_path):
    write_member(tmp_path / "w.npz", (1 << 33,), b"\0" * 16)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    with pytest.raises(UserError, match="states another shape than it has numbers"):
        read_state_dict(tmp_path / "w.npz")
    assert peak_after(lambda: None) - before < GIB // 8


def test_an_npz_that_unpacks_to_far_more_than_its_size_is_refused(tmp_path):
    count = 3 * GIB // 8 // 4
    write_member(tmp_path / "w.npz", (count,), b"\0" * (4 * count))
    with pytest.raises(UserError, match="unpacks to far more than its size"):
        read_state_dict(tmp_path / "w.npz")


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (torch.empty(3, device="meta"), "has a shape and no numbers"),
        (torch.eye(3).to_sparse(), "is sparse or quantized"),
        (np.array(["a", "b"]), "is an array of <U1"),
    ],
)
def test_what_is_no_plain_tensor_is_named(value, said):
    with pytest.raises(UserError, match=f"^weights: 'layer' {said}"):
        as_state_dict({"layer": value}, "weights")


def test_meta_tensors_in_a_file_are_named(tmp_path):
    torch.save({"layer": torch.empty(3, device="meta")}, tmp_path / "w.pth")
    with pytest.raises(UserError, match="w.pth.*'layer' has a shape and no numbers"):
        read_state_dict(tmp_path / "w.pth")


def test_a_damaged_run_is_never_begun_anew_in_silence(tmp_path):
    path = checkpoint.resume_file(tmp_path)
    assert find_run(str(tmp_path), required=False) is None
    checkpoint.save_tensors(path, {"a": torch.ones(3)}, RUN)
    assert find_run(str(tmp_path), required=False) is not None
    path.write_bytes(path.read_bytes()[:-5])
    with pytest.raises(UserError, match="damaged .*; delete it to begin the run again, or restore"):
        find_run(str(tmp_path), required=False)


@pytest.mark.parametrize("part", sorted(RUN.keys() - {"scaler"}))
def test_a_run_without_a_part_is_refused_by_its_name(tmp_path, part):
    header = {key: value for key, value in RUN.items() if key != part}
    checkpoint.save_tensors(tmp_path / "r", {"a": torch.ones(3)}, header)
    with pytest.raises(UserError, match=rf"damaged \(no {part}\)"):
        read_run(tmp_path / "r")


def test_a_run_whose_numbers_were_changed_is_refused(tmp_path):
    tensors = {"a": torch.ones(3)}
    header = RUN | {"sha256": checkpoint.digest(tensors)}
    checkpoint.save_tensors(tmp_path / "r", {"a": torch.ones(3) * 2}, header)
    with pytest.raises(UserError, match="its tensors are not those that were written"):
        read_run(tmp_path / "r")


def test_other_files_beside_the_prompts_are_passed_over(tmp_path):
    for name in ("epoch-2", "epoch-10", "epoch-best", "epoch-x", "epoch-²"):
        path = tmp_path / "prompt" / f"{name}.safetensors"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(save({"a": torch.ones(1)}))
    assert checkpoint.find_prompt(tmp_path).name == "epoch-10.safetensors"


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ('["a/1.jpg", Infinity, "a"]', r"train\[0\]: the label inf is no number from 0"),
        ('["a/1.jpg", -1, "a"]', r"train\[0\]: the label -1 is no number from 0"),
        ('["a/1.jpg", 0, 7]', r"train\[0\]: the class name 7 is no text"),
        ('[7, 0, "a"]', r"train\[0\]: the path 7 is none"),
        ('"abc"', r"train\[0\] is not \[path, label, class name\]"),
    ],
)
def test_a_wrong_row_of_a_split_is_named_by_its_place(tmp_path, row, said):
    path = tmp_path / "split.json"
    path.write_text(f'{{"train": [{row}], "val": [], "test": []}}')
    with pytest.raises(UserError, match=f"^split file {path}: .*{said}"):
        read_split(path)
