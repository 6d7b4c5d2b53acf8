"""``python -m softcpt env``: prints what a bug report needs, and where things are looked for."""

from __future__ import annotations

import argparse
import os
import platform
from pathlib import Path

from softcpt import dassl, plugins
from softcpt.features.entries import default_folder
from softcpt.version import __version__


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """No arguments."""


def main(_args: argparse.Namespace) -> int:
    """Print one fact a line."""
    import torch

    from softcpt.clip.weights import weights_locations
    from softcpt.engine.results import device_name, versions

    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    checkout = plugins.checkout()
    facts = {
        "softcpt": f"{__version__}, "
        + (f"checkout {checkout}" if checkout else f"installed in {Path(__file__).parents[1]}"),
        "engine": f"{dassl.engine()} ({dassl.engine_reason()})",
        "versions": ", ".join(
            f"{name} {version}" for name, version in versions().items() if name != "engine"
        ),
        "device": f"{device_name(device)}, {torch.get_num_threads()} thread(s) on "
        f"{os.cpu_count()} processors",
        "cpu": f"{platform.machine()}, {cpu_features()}",
        "trainers": str(plugins.folder("trainers")),
        "data sets": str(plugins.folder("datasets")),
        "configs": str(plugins.folder("configs")),
        "weights": ", ".join(
            f"{path}{'' if path.is_dir() else ' (not there)'}" for path in weights_locations()
        ),
        "features": str(default_folder()),
        "data": "the folder given as --root; the embedded benchmark needs none",
    }
    width = max(map(len, facts))
    for name, fact in facts.items():
        print(f"{name:<{width}}  {fact}")
    return 0


def cpu_features() -> str:
    """What matters for the speed of fp32 and bf16 products."""
    import torch

    flags = []
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.is_file():
        words = set(cpuinfo.read_text(encoding="utf-8").split())
        flags = [name for name in ("avx2", "avx512f", "avx512_bf16", "amx_bf16") if name in words]
    has = f"; the processor has {', '.join(flags)}" if flags else ""
    return f"torch uses {torch.backends.cpu.get_cpu_capability()}{has}"
