"""Which of OpenAI's architectures a model has, as the shapes of its weights tell."""

from __future__ import annotations

from typing import NamedTuple

from softcpt.text.open_clip_parts import ClipModel, text_parts

Shapes = dict[str, tuple[int, ...]]


class Shape(NamedTuple):
    """What tells the architectures apart.

    Attributes:
        blocks: of each stage of the image tower; a ViT has one stage.
        width: of the image tower; of a ResNet that of its first stage.
        patch: side of a ViT's patches in pixels; 0: a ResNet.
        places: of the image that the last pooling sees, with the class token or the mean.
        embed_dim: of the joint space.
        text_width, text_layers: of the text tower.
    """

    blocks: tuple[int, ...]
    width: int
    patch: int
    places: int
    embed_dim: int
    text_width: int
    text_layers: int = 12


# As in the table of the CLIP paper (Radford et al., arXiv 2103.00020, tables 19 and 20).
ARCHITECTURES = {
    Shape((3, 4, 6, 3), 64, 0, 7**2 + 1, 1024, 512): "RN50",
    Shape((3, 4, 23, 3), 64, 0, 7**2 + 1, 512, 512): "RN101",
    Shape((4, 6, 10, 6), 80, 0, 9**2 + 1, 640, 640): "RN50x4",
    Shape((6, 8, 18, 8), 96, 0, 12**2 + 1, 768, 768): "RN50x16",
    Shape((3, 15, 36, 10), 128, 0, 14**2 + 1, 1024, 1024): "RN50x64",
    Shape((12,), 768, 32, 7**2 + 1, 512, 512): "ViT-B/32",
    Shape((12,), 768, 16, 14**2 + 1, 512, 512): "ViT-B/16",
    Shape((24,), 1024, 14, 16**2 + 1, 768, 768): "ViT-L/14",
    Shape((24,), 1024, 14, 24**2 + 1, 768, 768): "ViT-L/14@336px",
}


def architecture_of(model: ClipModel) -> str | None:
    """OpenAI's name of the architecture of an open_clip model; None: it has another."""
    image: Shapes = {name: tuple(value.shape) for name, value in model.visual.named_parameters()}
    if "attnpool.c_proj.weight" in image:
        of_image = _resnet(image)
    elif "class_embedding" in image and "proj" in image:
        of_image = _vit(image)
    else:
        return None
    text = text_parts(model)
    if not hasattr(text, "token_embedding"):
        return None
    of_text = text.token_embedding.embedding_dim, len(text.transformer.resblocks)
    return ARCHITECTURES.get(Shape(*of_image, *of_text))


def _resnet(shapes: Shapes) -> tuple[tuple[int, ...], int, int, int, int]:
    """The first fields of a ResNet's :class:`Shape`."""
    stages = tuple(_count(shapes, f"layer{stage}.") for stage in (1, 2, 3, 4))
    places = shapes["attnpool.positional_embedding"][0]
    return (
        stages,
        shapes["layer1.0.conv1.weight"][0],
        0,
        places,
        shapes["attnpool.c_proj.weight"][0],
    )


def _vit(shapes: Shapes) -> tuple[tuple[int, ...], int, int, int, int]:
    """The same of a ViT."""
    width, _, patch, _ = shapes["conv1.weight"]
    blocks = (_count(shapes, "transformer.resblocks."),)
    return blocks, width, patch, shapes["positional_embedding"][0], shapes["proj"][1]


def _count(shapes: Shapes, prefix: str) -> int:
    """How many numbered modules stand behind ``prefix``."""
    return len({name[len(prefix) :].split(".")[0] for name in shapes if name.startswith(prefix)})
