"""TorchScript archives: read as data, as PyTorch's loader reads them; refused if damaged."""

from __future__ import annotations

import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import open_clip
import pytest
import torch
from torch import Tensor, nn

from softcpt import load_clip
from softcpt.clip.jit_archive import read_jit_archive
from softcpt.clip.weights import read_state_dict
from softcpt.errors import UserError
from softcpt.testing.random_clip import random_openai_state_dict
from tests.helpers.clip_files import jit_archive

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """open_clip knows an architecture ``small``, of the size of :func:`openai`'s files."""
    vision = {"image_size": 32, "layers": 2, "width": 64, "patch_size": 8}
    text = {"context_length": 77, "vocab_size": 49408, "width": 64, "heads": 1, "layers": 1}
    config = {"embed_dim": 64, "vision_cfg": vision, "text_cfg": text}
    monkeypatch.setitem(open_clip.factory._MODEL_CONFIGS, "small", config)


class Branch(nn.Module):
    """Half precision, views of a parameter, a passing buffer, tensors that are no parameters."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(2, 3).half())
        self.register_buffer("transposed", self.weight.detach().t())
        self.register_buffer("row", self.weight.detach()[1])
        self.register_buffer("passing", torch.ones(1), persistent=False)
        self.attribute, self.listed = torch.ones(2), [torch.ones(3)]
        self.number, self.name = 3, "branch"

    def forward(self, x: Tensor) -> Tensor:
        return x * self.number + self.attribute.sum() + self.listed[0].sum()


class Tree(nn.Module):
    """One child under two names, tied weights, layers of PyTorch's, and odd types and shapes."""

    def __init__(self) -> None:
        super().__init__()
        self.one = Branch()
        self.other = self.one
        self.layers = nn.Sequential(
            nn.Linear(3, 2), nn.BatchNorm1d(2), nn.ModuleList([nn.Conv2d(2, 2, 1)])[0]
        )
        self.tied = self.layers[0].weight
        self.scale = nn.Parameter(torch.tensor(1.5))
        self.empty = nn.Parameter(torch.empty(0, 3))
        self.short = nn.Parameter(torch.randn(3).bfloat16())
        self.register_buffer("flags", torch.tensor([True, False]))
        self.register_buffer("complex", torch.randn(2, dtype=torch.complex64))
        self.register_buffer("expanded", torch.ones(1, 1).expand(1, 1))
        self.register_parameter("none", None)

    def forward(self, x: Tensor) -> Tensor:
        return self.one(x) * self.scale


def scripted(path: Path) -> Path:
    torch.jit.script(Tree()).save(str(path))
    return path


def traced(path: Path) -> Path:
    model = nn.Sequential(nn.Linear(3, 4), nn.LayerNorm(4), nn.MultiheadAttention(4, 2))
    torch.jit.trace(model[:2], torch.zeros(1, 3)).half().save(str(path))
    return path


def optimised(path: Path) -> Path:
    """Frozen: weights become constants, which are no parameters any more."""
    torch.jit.freeze(torch.jit.script(Branch().eval()), preserved_attrs=["weight"]).save(str(path))
    return path


def openai(path: Path) -> Path:
    return jit_archive(
        random_openai_state_dict(text_width=64, text_layers=1, dtype=torch.float16), path
    )


@pytest.mark.parametrize("make", [scripted, traced, optimised, openai])
def test_the_tensors_are_those_of_pytorchs_loader(tmp_path, make):
    path = make(tmp_path / "model.pt")
    expected, found = torch.jit.load(path).state_dict(), read_jit_archive(path)
    assert list(found) == list(expected)
    for name, tensor in expected.items():
        assert found[name].dtype == tensor.dtype and found[name].stride() == tensor.stride(), name
        assert torch.equal(found[name], tensor), name


def test_views_share_their_storage_as_in_the_archive(tmp_path):
    found = read_jit_archive(scripted(tmp_path / "model.pt"))
    found["one.weight"].zero_()
    assert (
        not found["one.transposed"].any()
        and not found["one.row"].any()
        and not found["other.weight"].any()
    )


class Armed(nn.Module):
    """Writes a file when TorchScript restores it."""

    def __init__(self, target: str) -> None:
        super().__init__()
        self.target, self.weight = target, torch.ones(2)

    @torch.jit.export
    def __getstate__(self) -> tuple[str, Tensor, bool]:
        return self.target, self.weight, self.training

    @torch.jit.export
    def __setstate__(self, state: tuple[str, Tensor, bool]) -> None:
        self.target, self.weight, self.training = state
        self.weight = torch.from_file(state[0], True, 4).fill_(1.0)

    def forward(self, x: Tensor) -> Tensor:
        return x * self.weight


class Carrier(nn.Module):
    def __init__(self, target: str) -> None:
        super().__init__()
        self.scale, self.child = nn.Parameter(torch.ones(2)), Armed(target)

    def forward(self, x: Tensor) -> Tensor:
        return self.child(x)


@pytest.mark.parametrize("kind", [Armed, Carrier])
@pytest.mark.parametrize("prefix", ["", "small/"])
def test_the_code_of_an_archive_is_not_run(tmp_path, kind, prefix):
    path, target = tmp_path / "clip.pt", tmp_path / "written"
    torch.jit.script(kind(str(target))).save(str(path))
    assert "would run code to restore itself" in refusal(lambda: load_clip(f"{prefix}{path}"))
    assert not target.exists()
    torch.jit.load(path)
    assert target.exists()  # the archive is armed: PyTorch's loader wrote it


class Call:
    """Pickled as a call of ``open``, which unpickling makes."""

    def __init__(self, *args: str) -> None:
        self.args = args

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[str, ...]]:
        return open, self.args


@pytest.mark.parametrize("prefix", ["", "small/"])
@pytest.mark.parametrize("kind", ["archive", "state dict"])
def test_functions_that_a_pickle_names_are_not_called(tmp_path, kind, prefix):
    path, target = tmp_path / "clip.pt", tmp_path / "written"
    if kind == "archive":
        content = pickle.dumps({"weight": Call(str(target), "w")}, protocol=2)
        rewrite(openai(path), "data.pkl", lambda _: content)
    else:
        torch.save({"weight": Call(str(target), "w")}, path)
    assert "not unpickled for safety" in refusal(lambda: load_clip(f"{prefix}{path}"))
    assert not target.exists()


def rewrite(path: Path, name: str, change: Callable[[bytes], bytes | None]) -> None:
    """Change the record ``name`` of an archive; to None leaves it out."""
    with zipfile.ZipFile(path) as file:
        records = {record: file.read(record) for record in file.namelist()}
    with zipfile.ZipFile(path, "w") as file:
        for record, content in records.items():
            changed = change(content) if record.endswith(f"/{name}") else content
            if changed is not None:
                file.writestr(record, changed)


class Single(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.arange(6.0).reshape(2, 3))

    def forward(self, x: Tensor) -> Tensor:
        return x @ self.weight


SHAPE, STRIDE = b"(K\x02K\x03t", b"(K\x03K\x01t"
NUMEL = b"K\x06t"
LIES = {
    "a longer side": ("data.pkl", SHAPE, b"(J\x00\x00\x00\x7fK\x03t", "larger than its storage"),
    "a longer stride": ("data.pkl", STRIDE, b"(J\x00\x00\x00\x7fK\x01t", "larger than its storage"),
    "a repeated side": (
        "data.pkl",
        SHAPE + STRIDE,
        b"(J\x00\x00\x00\x7fK\x03t(K\x00K\x01t",
        "larger than what is stored",
    ),
    "a negative side": ("data.pkl", SHAPE, b"(J\xff\xff\xff\xffK\x03t", "impossible shape"),
    "a negative stride": ("data.pkl", STRIDE, b"(J\xff\xff\xff\xffK\x01t", "impossible shape"),
    "a dimension more": ("data.pkl", SHAPE, b"(K\x02K\x03K\x01t", "impossible shape"),
    "an offset": ("data.pkl", b"q\x07K\x00", b"q\x07K\x01", "larger than its storage"),
    "a negative offset": ("data.pkl", b"q\x07K\x00", b"q\x07J\xff\xff\xff\xff", "impossible shape"),
    "a larger storage": ("data.pkl", NUMEL, b"J\x00\x00\x00\x7ft", "not of the size"),
    "another type": ("data.pkl", b"FloatStorage", b"DoubleStorage", "not of the size"),
    "an unknown type": ("data.pkl", b"FloatStorage", b"QInt8Storage", "torch.QInt8Storage"),
    "another key": ("data.pkl", b"X\x01\x00\x00\x000", b"X\x02\x00\x00\x00..", "no item named"),
    "a type that is a text": (
        "data.pkl",
        b"ctorch\nFloatStorage\n",
        b"X\x01\x00\x00\x00a",
        "not a weights file",
    ),
    "another class": ("data.pkl", b"Single\n", b"Double\n", "is missing"),
    "a class elsewhere": ("data.pkl", b"__torch__.", b"__torch__../../", "no item named"),
    "a short storage": ("data/0", bytes(24), b"", "not of the size"),
    "a damaged pickle": ("data.pkl", b"ctorch._utils", b"\xff", "not a weights file"),
    "other bytes' order": ("byteorder", b"little", b"big", "byte order"),
}


@pytest.mark.parametrize("prefix", ["", "small/"])
@pytest.mark.parametrize("lie", LIES)
def test_an_archive_that_contradicts_itself_is_refused_in_one_line(tmp_path, lie, prefix):
    name, true, false, reason = LIES[lie]
    path = tmp_path / "clip.pt"
    torch.jit.script(Single()).save(str(path))

    def change(content: bytes) -> bytes:
        if name.startswith("data/"):
            return content[:8]
        assert true in content
        return content.replace(true, false)

    rewrite(path, name, change)
    message = refusal(lambda: load_clip(f"{prefix}{path}"))
    assert reason in message and str(path) in message


@pytest.mark.parametrize(
    "name", ["data.pkl", "data/0", f"code/__torch__/{__name__.replace(chr(46), chr(47))}.py"]
)
def test_a_missing_record_is_named(tmp_path, name):
    path = tmp_path / "clip.pt"
    torch.jit.script(Single()).save(str(path))
    rewrite(path, name, lambda _: None)
    assert f"clip/{name}" in refusal(lambda: read_state_dict(path))


def test_flipped_bytes_of_a_tensor_are_noticed(tmp_path):
    path = tmp_path / "clip.pt"
    torch.jit.script(Single()).save(str(path))
    numbers = torch.arange(6.0).numpy().tobytes()
    path.write_bytes(path.read_bytes().replace(numbers, numbers[::-1]))
    assert "Bad CRC-32" in refusal(lambda: read_state_dict(path))


def test_records_that_unpack_to_far_more_than_the_file_are_not_unpacked(tmp_path):
    path = tmp_path / "clip.pt"
    torch.jit.script(Single()).save(str(path))
    with (
        zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as file,
        file.open("clip/data/1", "w") as record,
    ):
        for _ in range(300):
            record.write(bytes(1 << 20))
    assert path.stat().st_size < 1 << 20
    assert "far more than its size" in refusal(lambda: read_state_dict(path))


def nested(depth: int) -> bytes:
    """A pickle of modules that each hold the next one twice: 2**depth modules in a few bytes."""
    module = b"c__torch__.test_jit_archive\nSingle\n)\x81}b"
    for _ in range(depth):
        module = (
            b"c__torch__.test_jit_archive\nSingle\n)\x81}(X\x01\x00\x00\x00a"
            + module
            + b"q\x01X\x01\x00\x00\x00bh\x01ub"
        )
    return b"\x80\x02" + module + b"."


ITSELF = b"\x80\x02c__torch__.test_jit_archive\nSingle\n)\x81q\x01}X\x01\x00\x00\x00ah\x01sb."


@pytest.mark.parametrize("content", [nested(60), ITSELF], ids=["twice the next", "itself"])
def test_a_tree_of_modules_without_end_is_refused(tmp_path, content):
    path = tmp_path / "clip.pt"
    torch.jit.script(Single()).save(str(path))
    rewrite(path, "data.pkl", lambda _: content)
    assert "modules" in refusal(lambda: read_state_dict(path))


def test_a_state_dict_that_repeats_its_storage_without_end_is_refused(tmp_path):
    torch.save({"weight": torch.ones(1).half().expand(1 << 40)}, tmp_path / "clip.pt")
    assert "larger than what is stored" in refusal(lambda: read_state_dict(tmp_path / "clip.pt"))


def test_an_open_clip_architecture_takes_its_weights_from_an_archive(tmp_path):
    path = openai(tmp_path / "clip.pt")
    found = load_clip(f"small/{path}").model.state_dict()
    expected = read_state_dict(path)
    assert found.keys() == expected.keys()
    assert all(torch.equal(found[name], expected[name]) for name in expected)


def refusal(call: Callable[[], object]) -> str:
    with pytest.raises(UserError) as error:
        call()
    assert "\n" not in str(error.value)
    return str(error.value)
