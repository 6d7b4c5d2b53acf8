"""The programs and commands of docs/export.md run, and the programs find what the library finds."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from safetensors.torch import save_file

import softcpt
from softcpt.testing.random_clip import random_openai_state_dict
from tests.helpers.adapted import adapted
from tests.helpers.hub import hub_server
from tests.helpers.runs import softcpt_command
from tests.helpers.transformers_clip import save_for_transformers

PAGE = Path(__file__).resolve().parents[2] / "docs" / "export.md"
SECTIONS = dict(
    section.split("\n", 1) for section in PAGE.read_text(encoding="utf-8").split("\n## ")[1:]
)

STATE = random_openai_state_dict("vit", vision_layers=1, text_layers=1)


def blocks(section: str, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", SECTIONS[section], re.DOTALL)


def run_commands(section: str) -> None:
    """Those of this library."""
    lines = [line for block in blocks(section, "bash") for line in block.splitlines()]
    commands = [line for line in lines if line.startswith("python -m softcpt ")]
    assert commands
    for line in commands:
        assert softcpt_command(*shlex.split(line)[3:]) == 0


def run_program(section: str, capsys) -> dict[str, tuple[str, float]]:
    """{task: (class, probability)} that the program prints."""
    [program] = blocks(section, "python")
    assert "softcpt" not in program.replace("softcpt.json", "")
    capsys.readouterr()
    exec(compile(program, str(PAGE), "exec"), {})
    found = {}
    for line in capsys.readouterr().out.splitlines():
        task, _, rest = line.rpartition(": ")
        name, _, probability = rest.rpartition(" ")
        found[task] = (name, float(probability))
    return found


def draw(path: Path) -> None:
    """A picture that is no square of the model's size."""
    generator = np.random.default_rng(1)
    coarse = Image.fromarray(generator.integers(0, 255, (6, 6, 3), dtype=np.uint8))
    coarse.resize((160, 160), Image.Resampling.BICUBIC).save(path, quality=95)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    draw(tmp_path / "rose.jpg")
    return tmp_path


def assert_as_the_library(found, q) -> None:
    expected = q.predict("rose.jpg", task="all")[0]
    assert found == {
        entry.task: (entry.label, pytest.approx(entry.probability, abs=1e-5)) for entry in expected
    }


@pytest.mark.parametrize("method", ["SoftCPT", "LinearProbe"])
def test_open_clip_finds_what_the_library_finds(folder, capsys, method):
    q = adapted(method, softcpt.load_clip("tiny"))
    q.save("my_prompt")
    line = re.search(r"^python -m softcpt (.* --to open_clip)$", PAGE.read_text(), re.MULTILINE)
    assert softcpt_command(*shlex.split(line[1])) == 0
    assert (folder / "flowers-backbone" / "open_clip_model.safetensors").is_file()
    assert_as_the_library(run_program("open_clip", capsys), q)


def small(folder: Path) -> softcpt.AdaptedClip:
    """On a small random CLIP with weights in ``folder``, saved as the page calls it."""
    save_file(STATE, folder / "weights.safetensors")
    q = adapted("CoOp", softcpt.load_clip(folder / "weights.safetensors"))
    q.save("my_prompt")
    return q


def test_transformers_finds_what_the_library_finds(folder, capsys):
    save_for_transformers(STATE, 32, folder / "clip-for-transformers")
    q = small(folder)
    run_commands("transformers")
    assert_as_the_library(run_program("transformers", capsys), q)


def test_onnxruntime_finds_what_the_library_finds(folder, capsys):
    q = small(folder)
    run_commands("ONNX")
    assert "largest difference from torch's logits" in capsys.readouterr().out
    assert_as_the_library(run_program("ONNX", capsys), q)


def test_torch_alone_reads_the_graph(folder, capsys):
    q = small(folder)
    run_commands("torch.export")
    [program] = blocks("torch.export", "python")
    capsys.readouterr()
    exec(compile(program, str(PAGE), "exec"), {})
    assert capsys.readouterr().out == f"torch.Size([2, 5]) {list(q.tasks.class_names)}\n"


def test_a_prompt_is_shared(folder, capsys, monkeypatch):
    adapted("SoftCPT", softcpt.load_clip("tiny")).save("my_prompt")
    with hub_server(monkeypatch, folder / "cache") as server:
        for block in blocks("Share a trained prompt", "bash"):
            for line in block.splitlines():
                if line.startswith("python -m softcpt "):
                    assert softcpt_command(*shlex.split(line)[3:]) == 0
            if "push" in block:
                [program] = blocks("Share a trained prompt", "python")
                exec(compile(program, str(PAGE), "exec"), {})
        assert len(server.repositories["me/flowers"]) == 3  # nothing, push, push
        assert server.messages[1] == "the same again"
    assert "AdaptedClip(SoftCPT on tiny" in capsys.readouterr().out
    assert softcpt.load_prompt("flowers_prompt").method_name == "SoftCPT"


def test_the_table_of_kinds_is_whole():
    from softcpt.artefacts.exports import KINDS
    from softcpt.cli.export import PUBLISHED

    text = PAGE.read_text(encoding="utf-8")
    assert {*re.findall(r"^\| `(\w+)`", text, re.MULTILINE)} == {*KINDS, PUBLISHED}
