"""Writes a run's prompts in the layout that published codes (CoOp, SoftCPT) load.

Their ``load_model`` reads ``<folder>/<module>/model.pth.tar-<epoch>`` or ``model-best.pth.tar`` of
every module that they register, takes ``state_dict`` and ``epoch`` from it, and keeps its own
embeddings of class names. Optimiser and schedule are not written: an exported prompt can be tested
and built upon, not trained further.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from softcpt.artefacts import checkpoint
from softcpt.artefacts.published_checkpoints import BEST, OF_EPOCH
from softcpt.errors import UserError
from softcpt.utils.files import atomic_write, file_for_torch

# Every published trainer registers it, SoftCPT's with nothing in it but the embeddings of class
# names.
ALWAYS = "prompt_learner"


def export(run: str | Path, folder: str | Path) -> list[Path]:
    """Write every prompt that ``run`` kept into ``folder``; returns the files.

    Raises:
        UserError: the run has no prompts, or is of a method whose tensors belong to no published
            module.
    """
    written = []
    for path in checkpoint.saved_prompts(run):
        state, header = checkpoint.load_prompt(path)
        best = path == checkpoint.prompt_file(run, None)
        name = BEST if best else f"{OF_EPOCH}{header['epoch']}"
        for module, tensors in _by_module(state, header["method"]).items():
            content = {
                "state_dict": tensors,
                "epoch": header["epoch"],
                "val_result": header["val_result"],
            }
            written.append(Path(folder) / module / name)
            with atomic_write(written[-1]) as temporary, file_for_torch(temporary) as file:
                torch.save(content, file)
            # Dassl continues from the file that this one names: the one written last.
            with atomic_write(written[-1].with_name("checkpoint")) as temporary:
                temporary.write_text(f"{name}\n", encoding="utf-8")
    return written


def _by_module(state: Mapping[str, Tensor], method: str) -> dict[str, dict[str, Tensor]]:
    """{"prompt_gen": {"proj": ...}} from {"prompt_gen.proj": ...}."""
    modules: dict[str, dict[str, Tensor]] = {ALWAYS: {}}
    for name, tensor in state.items():
        module, _, parameter = name.partition(".")
        if not parameter:
            raise UserError(
                f"method {method}: its tensor '{name}' belongs to no module of a published code, "
                "so there "
                "is no layout to export it to"
            )
        modules.setdefault(module, {})[parameter] = tensor
    return modules
