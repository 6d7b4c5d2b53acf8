"""Weights files: read in every format, refused in one line, downloaded whole or not at all."""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import open_clip
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from softcpt.clip import weights
from softcpt.clip.weights import (
    OPENAI_WEIGHTS,
    as_state_dict,
    openai_weights,
    read_state_dict,
    weights_locations,
)
from softcpt.errors import UserError
from softcpt.testing.random_clip import random_openai_state_dict
from tests.helpers.clip_files import jit_archive
from tests.helpers.web import Server, serving


@pytest.fixture(scope="module")
def state() -> dict[str, Tensor]:
    return random_openai_state_dict(text_width=64, text_layers=1, dtype=torch.float16)


def assert_same(read: dict[str, Tensor], state: dict[str, Tensor]) -> None:
    assert read.keys() == state.keys()
    for name, tensor in state.items():
        assert torch.equal(read[name], tensor.float()), name


def test_a_jit_archive_is_read_without_a_warning(state, tmp_path):
    path = jit_archive(state, tmp_path / "clip.pt")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        read = read_state_dict(path)
    assert_same(read, state)


def test_a_plain_state_dict_is_read(state, tmp_path):
    torch.save(state, tmp_path / "clip.pth")
    assert_same(read_state_dict(tmp_path / "clip.pth"), state)


def test_a_training_checkpoint_is_unwrapped(state, tmp_path):
    wrapped = {
        "epoch": 3,
        "state_dict": {f"module.{name}": tensor for name, tensor in state.items()},
    }
    torch.save(wrapped, tmp_path / "epoch_3.pt")
    assert_same(read_state_dict(tmp_path / "epoch_3.pt"), state)


def test_safetensors_are_read_and_do_not_follow_later_changes_of_the_file(state, tmp_path):
    path = tmp_path / "clip.safetensors"
    save_file(state, path)
    read = read_state_dict(path)
    path.write_bytes(bytes(path.stat().st_size))
    assert_same(read, state)


def test_npz_is_read(state, tmp_path):
    np.savez(tmp_path / "clip.npz", **{name: tensor.numpy() for name, tensor in state.items()})
    assert_same(read_state_dict(tmp_path / "clip.npz"), state)


def test_a_mapping_is_copied_and_left_alone(state):
    given = {name: tensor.float() for name, tensor in state.items()}
    read = as_state_dict(given, "mine")
    assert_same(read, state)
    read["text_projection"].zero_()
    assert_same(given, state)


def test_counters_keep_their_integer_type():
    read = as_state_dict({"visual.bn1.num_batches_tracked": torch.tensor(5)}, "mine")
    assert read["visual.bn1.num_batches_tracked"].dtype == torch.int64


def test_a_missing_file_is_named(tmp_path):
    assert_refused(tmp_path / "none.pt", "no such weights file")


@pytest.mark.parametrize("kind", ["state dict", "jit", "safetensors"])
def test_a_truncated_file_is_refused_in_one_line(state, tmp_path, kind):
    path = tmp_path / ("clip.safetensors" if kind == "safetensors" else "clip.pt")
    if kind == "jit":
        jit_archive(state, path)
    else:
        save_file(state, path) if kind == "safetensors" else torch.save(state, path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    assert_refused(path, "not a weights file" if kind == "safetensors" else "truncated")


@pytest.mark.parametrize(
    "content",
    [b"", b"<html>Not found</html>", bytes(range(256)) * 9],
    ids=["empty", "page", "noise"],
)
@pytest.mark.parametrize("name", ["clip.pt", "clip.safetensors", "clip.npz"])
def test_a_file_that_is_something_else_is_refused_in_one_line(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    assert_refused(tmp_path / name, "truncated" if not content else "not a weights file")


def test_objects_in_a_checkpoint_are_not_unpickled(tmp_path):
    torch.save({"state_dict": Path("/")}, tmp_path / "clip.pt")
    assert_refused(tmp_path / "clip.pt", "not unpickled for safety")


def test_a_checkpoint_of_other_values_is_refused(tmp_path):
    torch.save({"text_projection": torch.zeros(2), "note": "mine"}, tmp_path / "clip.pt")
    assert_refused(tmp_path / "clip.pt", "'note' is str, not a tensor")
    torch.save([torch.zeros(2)], tmp_path / "list.pt")
    assert_refused(tmp_path / "list.pt", "holds list, not a state dict")


def assert_refused(path: Path, reason: str) -> None:
    with pytest.raises(UserError) as error:
        read_state_dict(path)
    message = str(error.value)
    assert reason in message and str(path) in message and "\n" not in message


def test_the_table_agrees_with_open_clips():
    for name, (file_name, sha256) in OPENAI_WEIGHTS.items():
        theirs = open_clip.get_pretrained_url(
            name.replace("/", "-").replace("@336px", "-336"), "openai"
        )
        assert theirs == f"{weights.OPENAI_URL}/{sha256}/{file_name}"


def test_weights_are_looked_for_in_the_argument_then_the_environment_then_openais_cache(
    monkeypatch, tmp_path
):
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("SOFTCPT_WEIGHTS", str(tmp_path / "env"))
    cache = tmp_path / "home/.cache/clip"
    assert weights_locations(tmp_path / "arg") == [tmp_path / "arg", tmp_path / "env", cache]
    monkeypatch.delenv("SOFTCPT_WEIGHTS")
    assert weights_locations() == [cache]


PAYLOAD = bytes(
    torch.randint(
        256, (300_000,), dtype=torch.uint8, generator=torch.Generator().manual_seed(0)
    ).numpy()
)
SHA256 = hashlib.sha256(PAYLOAD).hexdigest()


@pytest.fixture
def server(monkeypatch) -> Iterator[Server]:
    with serving(PAYLOAD, monkeypatch) as server:
        yield server


def test_without_a_network_the_error_says_what_to_put_where(monkeypatch, tmp_path):
    with Server(PAYLOAD) as closed:
        url = closed.url
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setattr(weights, "OPENAI_URL", url)
    with pytest.raises(UserError) as error:
        openai_weights("ViT-B/16", tmp_path)
    message = str(error.value)
    assert (
        str(tmp_path / "ViT-B-16.pt") in message
        and f"{url}/{OPENAI_WEIGHTS['ViT-B/16'][1]}" in message
    )
    assert "\n" not in message


def test_a_file_by_openais_name_is_found_in_any_location(monkeypatch, tmp_path):
    monkeypatch.setitem(OPENAI_WEIGHTS, "RN50", ("RN50.pt", SHA256))
    monkeypatch.setenv("SOFTCPT_WEIGHTS", str(tmp_path / "env"))
    (tmp_path / "env").mkdir()
    (tmp_path / "env/RN50.pt").write_bytes(PAYLOAD)
    assert openai_weights("RN50", tmp_path / "arg") == tmp_path / "env/RN50.pt"


def test_a_damaged_file_by_openais_name_is_refused(tmp_path):
    (tmp_path / "RN50.pt").write_bytes(PAYLOAD)
    with pytest.raises(UserError, match=r"is not OpenAI's file.*delete it"):
        openai_weights("RN50", tmp_path)


def test_what_is_not_found_is_downloaded_into_the_first_location(server, monkeypatch, tmp_path):
    monkeypatch.setitem(OPENAI_WEIGHTS, "RN50", ("RN50.pt", SHA256))
    monkeypatch.setattr(weights, "OPENAI_URL", server.url)
    monkeypatch.setenv("SOFTCPT_WEIGHTS", str(tmp_path / "env"))
    assert openai_weights("RN50") == tmp_path / "env/RN50.pt"
