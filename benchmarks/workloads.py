"""What the benchmarks share: real class names, CLIP's towers at full size with random weights, fair
timing."""

from __future__ import annotations

import argparse
import json
import resource
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from open_clip.model import CLIP, CLIPTextCfg, CLIPVisionCfg
from open_clip.tokenizer import SimpleTokenizer

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
import softcpt
from softcpt.clip.model import load_clip
from softcpt.text.prompts import prompts_symbols
from softcpt.utils.allocator import keep_freed_memory

NAMES: dict[str, dict[str, list[str]]] = json.loads(
    (Path(__file__).parent / "classnames.json").read_text("utf-8")
)
PAPERS = "papers"
BENCHMARKS = (*NAMES, PAPERS)
keep_freed_memory()  # as train.py does
DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


def arguments(doc: str) -> argparse.ArgumentParser:
    """A parser with the options that all benchmarks have."""
    parser = argparse.ArgumentParser(description=doc.split("\n\n", maxsplit=1)[0])
    parser.add_argument("--dtype", choices=DTYPES, default="fp32", help="the engine's precision")
    parser.add_argument("--device", default="cpu", help="cpu, cuda or mps")
    parser.add_argument("--rounds", type=int, default=3, help="alternating blocks")
    return parser


def text_model(seed: int = 0, width: int = 512, layers: int = 12, embed_dim: int = 1024) -> CLIP:
    """The text tower of RN50 with random weights (behind a stunted image tower), fp32, frozen."""
    torch.manual_seed(seed)
    vision = CLIPVisionCfg(layers=1, width=64, patch_size=16, image_size=32)
    text = CLIPTextCfg(width=width, heads=width // 64, layers=layers)
    return CLIP(embed_dim, vision, text, quick_gelu=True).eval().requires_grad_(False)


def rn50(precision: str, device: str = "cpu") -> softcpt.Clip:
    """RN50 with random weights, through the loader that reads OpenAI's format."""
    torch.manual_seed(0)
    vision = CLIPVisionCfg(layers=(3, 4, 6, 3), width=64, image_size=224)
    model = CLIP(1024, vision, CLIPTextCfg(width=512, heads=8, layers=12), quick_gelu=True)
    return load_clip(model.state_dict(), precision, device)


def synset_names(count: int) -> list[str]:
    """First lemmas of ``count`` ImageNet-21k synsets, evenly spread (at most 21,843)."""
    from timm.data import ImageNetInfo  # takes seconds, and few ask for it

    info = ImageNetInfo("imagenet21k")
    total = info.num_classes()
    picked = [index * total // count for index in range(min(count, total))]
    return [info.index_to_description(index).split(",")[0] for index in picked]


def task_set(benchmark: str) -> softcpt.TaskSet:
    """A benchmark's tasks with their real class names; of :data:`BENCHMARKS`."""
    names = papers() if benchmark == PAPERS else NAMES[benchmark]
    return softcpt.TaskSet([softcpt.Task(name, classes) for name, classes in names.items()])


def papers() -> dict[str, list[str]]:
    """44 tasks with 1,593 classes, as the four benchmarks of SoftCPT's paper have. The names of
    General-10 and Plant-6 are theirs, for the other 28 tasks stand names of ImageNet's."""
    own = {**NAMES["General-10"], **NAMES["Plant-6"]}
    others = synset_names(1593 - sum(map(len, own.values())))
    return own | {f"{others[i]} kinds": others[i::28] for i in range(28)}


def prompts_of(
    benchmark: str, n_ctx: int, position: str = "end"
) -> tuple[list[list[int]], list[int]]:
    """Symbols of all prompts of a benchmark, and the task of each."""
    names = [
        (task, name) for task, classes in enumerate(NAMES[benchmark].values()) for name in classes
    ]
    return symbols([name for _, name in names], n_ctx, position), [task for task, _ in names]


def symbols(names: list[str], n_ctx: int, position: str = "end") -> list[list[int]]:
    """Symbols of the prompt of each class name."""
    return prompts_symbols(SimpleTokenizer(), names, n_ctx, position)


def best_times(
    sides: Mapping[str, Callable[[], object]],
    blocks: int = 3,
    runs: int = 3,
    clock: Callable[[], float] = time.perf_counter,
) -> dict[str, float]:
    """Best seconds of each side, taken in alternating blocks of warm runs, so that a drifting
    machine hits all sides."""
    best = {name: float("inf") for name in sides}
    for side in sides.values():
        side()
    for _ in range(blocks):
        for name, side in sides.items():
            for _ in range(runs):
                synchronise()
                start = clock()
                side()
                synchronise()
                best[name] = min(best[name], clock() - start)
    return best


def synchronise() -> None:
    """Wait for the GPU, if there is one: its work is queued."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    elif torch.backends.mps.is_available():
        torch.mps.synchronize()


def matmul_rate(
    dtype: torch.dtype,
    device: str = "cpu",
    rows: int = 4096,
    width: int = 512,
    seconds: float = 1.0,
) -> float:
    """FLOP/s of the tower's largest product, (rows, d) x (d, 4 d): the best of many."""
    a = torch.randn(rows, width, dtype=dtype, device=device)
    b = torch.randn(4 * width, width, dtype=dtype, device=device)
    best, end = float("inf"), time.perf_counter() + seconds
    while time.perf_counter() < end:
        synchronise()
        start = time.perf_counter()
        torch.nn.functional.linear(a, b)
        synchronise()
        best = min(best, time.perf_counter() - start)
    return 2 * rows * width * 4 * width / best


def memory_gb(device: str = "cpu") -> float:
    """Most memory in use so far: on the GPU, else resident in this process (libraries included)."""
    if device.startswith("cuda"):
        return torch.cuda.max_memory_allocated() / 1e9
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return (peak if sys.platform == "darwin" else peak * 1024) / 1e9


def report(**figures: object) -> None:
    """Print one JSON line with the script's name; floats are rounded to four digits."""
    print(json.dumps({"script": Path(sys.argv[0]).stem, **_rounded(figures)}), flush=True)


def _rounded(value: object) -> object:
    if isinstance(value, dict):
        return {str(key): _rounded(entry) for key, entry in value.items()}
    if isinstance(value, list):
        return [_rounded(entry) for entry in value]
    return float(f"{value:.4g}") if isinstance(value, float) else value
