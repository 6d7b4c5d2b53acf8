"""What model hubs read of a card: the YAML at its head."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

import open_clip

from softcpt.clip.weights import OPENAI_WEIGHTS

PIPELINE = "zero-shot-image-classification"
_CLIP = ("2103.00020",)
_MVLPT = "2211.11720"
_SOFTCPT = "2208.13474"
# arXiv numbers of the papers that a method is from, by its name up to "-MT" or a variant.
PAPERS: dict[str, tuple[str, ...]] = {
    "ZeroShot": _CLIP,
    "ZeroShotEnsemble": _CLIP,
    "LinearProbe": _CLIP,
    "ProtoNet": ("1703.05175",),
    "MeansText": (),
    "Tip-Adapter": ("2111.03930",),
    "Tip-Adapter-F": ("2111.03930",),
    "GDA": ("2402.04087",),
    "ZS-LP": ("2312.12730",),
    "CLAP": ("2312.12730",),
    "LP++": ("2404.02285",),
    "CrossModal": ("2301.06267",),
    "TaskRes": ("2211.10277",),
    "ProLIP": ("2410.05270",),
    "ProKeR": ("2501.11175",),
    "TextGDA": (),
    "CoOp": ("2109.01134",),
    "CoCoOp": ("2203.05557",),
    "KgCoOp": ("2303.13283",),
    "ProGrad": ("2205.14865",),
    "PLOT": ("2210.01253",),
    "VPT": ("2203.12119", _MVLPT),
    "UPT": ("2210.07225", _MVLPT),
    "SoftCPT": (_SOFTCPT,),
    "SoftCPT-FedTPG": (_SOFTCPT, "2310.06123"),
    "SoftCPT-MPT": (_SOFTCPT, "2303.02861"),
}
# OpenAI's ViTs, the same weights, where most programs look for them.
OPENAI_REPOSITORIES = {
    "ViT-B/32": "openai/clip-vit-base-patch32",
    "ViT-B/16": "openai/clip-vit-base-patch16",
    "ViT-L/14": "openai/clip-vit-large-patch14",
    "ViT-L/14@336px": "openai/clip-vit-large-patch14-336",
}


def front_matter(config: Mapping[str, Any]) -> dict[str, Any]:
    """The head of a card, from config.json's contents: library, base model, papers, results."""
    front: dict[str, Any] = {"library_name": "softcpt", "pipeline_tag": PIPELINE}
    base = hub_repository(str(config["backbone"]["name"]))
    if base:
        front |= {"base_model": base, "base_model_relation": "adapter"}
    papers = papers_of(config["method"])
    front["tags"] = ["clip", "few-shot", "prompt-tuning", "softcpt"]
    front["tags"] += [f"arxiv:{number}" for number in papers]
    results = list(_results(config))
    if results:
        name = f"{config['method']} on {config['backbone']['name']}"
        front["model-index"] = [{"name": name, "results": results}]
    return front


def papers_of(method: str) -> tuple[str, ...]:
    """The arXiv numbers of a method's papers; none of a method that is not known here."""
    found = PAPERS.get(method)
    if found is None:
        variant = re.sub(r"-(MT|Star|[CN][AS]T[AS])$", "", method)
        found = PAPERS.get(variant, ())
    return found


def hub_repository(backbone: str) -> str:
    """The repository on the hub that holds a backbone's weights; "": none is known."""
    if backbone in OPENAI_REPOSITORIES:
        return OPENAI_REPOSITORIES[backbone]
    if backbone.startswith("hf-hub:"):
        return backbone.removeprefix("hf-hub:")
    if backbone in OPENAI_WEIGHTS:
        backbone = f"{backbone}/openai"
    model, _, tag = backbone.rpartition("/")
    known = open_clip.get_pretrained_cfg(model.replace("/", "-"), tag) or {}
    return str(known.get("hf_hub") or "").strip("/")


def _results(config: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """One entry for each task, of the split that counts: the last one."""
    if not config["measured"]:
        return
    split, figures = list(config["measured"].items())[-1]
    metrics = {task["name"]: task["metric"] for task in config["tasks"]}
    for task in figures["tasks"].get(config["method"], []):
        name, metric = task["name"], metrics.get(task["name"], "accuracy")
        data = str(config["data"].get("name") or "images of the author")
        yield {
            "task": {"type": PIPELINE, "name": name},
            "dataset": {"name": f"{data}: {name}", "type": _slug(data), "split": split},
            "metrics": [
                {"type": metric, "name": f"{metric}, %", "value": round(task["metric"], 2)}
            ],
        }


def _slug(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-") or "images"
