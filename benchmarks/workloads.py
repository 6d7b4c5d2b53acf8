"""What the benchmarks share: real class names, CLIP's text tower at full size with random weights, fair timing."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from open_clip.model import CLIP, CLIPTextCfg, CLIPVisionCfg
from open_clip.tokenizer import SimpleTokenizer

sys.path[:0] = [str(Path(__file__).resolve().parent.parent / folder) for folder in (".", "tests")]
from oracle import encode_naively  # noqa: E402, F401 (the tests' naive path is the benchmarks' other side)

from softcpt.packing import Layout  # noqa: E402
from softcpt.prompts import prompt_symbols  # noqa: E402

NAMES: dict[str, dict[str, list[str]]] = json.loads((Path(__file__).parent / "classnames.json").read_text("utf-8"))


def text_model(seed: int = 0, width: int = 512, layers: int = 12, embed_dim: int = 1024) -> CLIP:
    """The text tower of RN50 with random weights (behind a stunted image tower), fp32, frozen."""
    torch.manual_seed(seed)
    vision = CLIPVisionCfg(layers=1, width=64, patch_size=16, image_size=32)
    text = CLIPTextCfg(width=width, heads=width // 64, layers=layers)
    return CLIP(embed_dim, vision, text, quick_gelu=True).eval().requires_grad_(False)


def prompts_of(benchmark: str, n_ctx: int, position: str = "end") -> tuple[list[list[int]], list[int]]:
    """Symbols of all prompts of a benchmark, and the task of each."""
    tokenizer = SimpleTokenizer()
    names = [(task, name) for task, classes in enumerate(NAMES[benchmark].values()) for name in classes]
    return [prompt_symbols(tokenizer, name, n_ctx, position) for _, name in names], [task for task, _ in names]


def layout_of(benchmark: str, n_ctx: int) -> Layout:
    """The same, packed."""
    prompts, tasks = prompts_of(benchmark, n_ctx)
    return Layout(prompts, tasks, n_ctx)


def best_times(sides: Mapping[str, Callable[[], object]], blocks: int = 3, runs: int = 3) -> dict[str, float]:
    """Best seconds of each side, taken in alternating blocks of warm runs, so that a drifting machine hits all sides."""
    best = {name: float("inf") for name in sides}
    for side in sides.values():
        side()
    for _ in range(blocks):
        for name, side in sides.items():
            for _ in range(runs):
                start = time.perf_counter()
                side()
                best[name] = min(best[name], time.perf_counter() - start)
    return best


def matmul_rate(dtype: torch.dtype, rows: int = 4096, width: int = 512, seconds: float = 1.0) -> float:
    """FLOP/s of the tower's largest product, (rows, d) x (d, 4 d): the best of many."""
    a, b = torch.randn(rows, width, dtype=dtype), torch.randn(4 * width, width, dtype=dtype)
    best, end = float("inf"), time.perf_counter() + seconds
    while time.perf_counter() < end:
        start = time.perf_counter()
        torch.nn.functional.linear(a, b)
        best = min(best, time.perf_counter() - start)
    return 2 * rows * width * 4 * width / best
