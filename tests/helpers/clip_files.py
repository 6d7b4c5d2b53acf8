"""Random CLIPs as files: TorchScript as OpenAI ships it, and the layout of the embedded model; and
images for them."""

from __future__ import annotations

import json
import warnings
from pathlib import Path

import torch
from open_clip.model import CLIP, CustomTextCLIP
from safetensors.torch import save_file
from torch import Tensor, nn

from softcpt.clip.model import Clip

OPEN_CLIP_CFG = {
    "embed_dim": 32,
    "vision_cfg": {"image_size": 32, "layers": 1, "width": 64, "patch_size": 16},
    "text_cfg": {"context_length": 77, "vocab_size": 49408, "width": 64, "heads": 1, "layers": 1},
}
TIMM_CFG = {
    **OPEN_CLIP_CFG,
    "quick_gelu": True,
    "vision_cfg": {"image_size": 64, "timm_model_name": "resnet10t"},
}
EFFICIENTNET_CFG = {
    **TIMM_CFG,
    "vision_cfg": {"image_size": 64, "timm_model_name": "tf_efficientnet_lite0"},
}
PREPROCESS = {
    "size": 64,
    "mean": [0.5, 0.5, 0.5],
    "std": [0.25, 0.25, 0.25],
    "interpolation": "bilinear",
}


def images(clip: Clip, count: int = 3) -> Tensor:
    """Images with something on them: noise at two scales."""
    generator = torch.Generator().manual_seed(1)
    coarse = torch.randn(count, 3, 4, 4, generator=generator)
    fine = torch.randn(count, 3, clip.image_size, clip.image_size, generator=generator)
    return nn.functional.interpolate(coarse, clip.image_size) + fine


def packaged(
    folder: Path, config: dict, kind: type[nn.Module] = CLIP, image_size: int = 64
) -> tuple[Path, nn.Module]:
    """Write a random model in the layout of the embedded one, its token table as two factors;
    return both."""
    folder.mkdir()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = kind(**config).half().float().eval()
        left, right = torch.randn(49408, 4).half(), torch.randn(4, 64).half()
        for module in model.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.running_mean.normal_().copy_(module.running_mean.half())
                module.running_var.uniform_(0.5, 2).copy_(module.running_var.half())
    prefix = "text." if kind is CustomTextCLIP else ""
    model.get_parameter(f"{prefix}token_embedding.weight").data = left.float() @ right.float()
    tensors = {
        key: value.half() for key, value in model.state_dict().items() if value.is_floating_point()
    }
    del tensors[f"{prefix}token_embedding.weight"]
    tensors |= {
        f"{prefix}token_embedding.weight.left": left,
        f"{prefix}token_embedding.weight.right": right,
    }
    save_file(tensors, folder / f"{folder.name}.safetensors")
    settings = {
        "model_cfg": {**config, "custom_text": kind is CustomTextCLIP},
        "preprocess": {**PREPROCESS, "size": image_size},
        "license": "MIT",
    }
    (folder / f"{folder.name}.json").write_text(json.dumps(settings))
    return folder, model


def jit_archive(state: dict[str, Tensor], path: Path) -> Path:
    """OpenAI's own format: a script module that holds the tensors under their names, and three
    settings beside them."""
    root = nn.Module()
    for name, tensor in {
        **state,
        "context_length": torch.tensor(77),
        "vocab_size": torch.tensor(49408),
    }.items():
        *parents, leaf = name.split(".")
        module = root
        for parent in parents:
            if parent not in module._modules:
                module.add_module(parent, nn.Module())
            module = module._modules[parent]
        module.register_buffer(leaf, tensor)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.save(torch.jit.script(root), path)
    return path
