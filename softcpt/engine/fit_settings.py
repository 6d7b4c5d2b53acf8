"""How :func:`softcpt.fit` trains: keywords, and the keys of the configuration that they are."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

from yacs.config import CfgNode

from softcpt.clip.model import Clip
from softcpt.engine import config, config_keys
from softcpt.engine.backbone_input import input_keys

# Keyword -> keys of the configuration. All else is at its default there.
KEYS = {
    "epochs": "OPTIM.MAX_EPOCH",
    "steps": "OPTIM.MAX_STEPS",  # behind epochs: the one that is given last counts
    "steps_per_shot": "OPTIM.STEPS_PER_SHOT",
    "lr": "OPTIM.LR",
    "optimizer": "OPTIM.NAME",
    "weight_decay": "OPTIM.WEIGHT_DECAY",
    "momentum": "OPTIM.MOMENTUM",
    "schedule": "OPTIM.LR_SCHEDULER",
    "warmup_epochs": "OPTIM.WARMUP_EPOCH",
    "warmup_lr": "OPTIM.WARMUP_CONS_LR",
    "batch_size": "DATALOADER.TRAIN_X.BATCH_SIZE",
    "sampler": "DATALOADER.TRAIN_X.SAMPLER",
    "task_shares": "DATALOADER.TRAIN_X.TASK_SHARES",
    "drop_last": "DATALOADER.TRAIN_X.DROP_LAST",
    "transforms": "INPUT.TRANSFORMS",
    "crop_scale": "INPUT.RRCROP_SCALE",
    "views": "FEATURES.VIEWS",
    "workers": "DATALOADER.NUM_WORKERS",
    "bank": "FEATURES.FOLDER",
    "seed": "SEED",
    "loss_shares": "MULTITASK.SHARES",
    "task_weights": "MULTITASK.WEIGHTS",
    "task_weighting": "MULTITASK.WEIGHTING",
    "mean_factor": "MULTITASK.MEAN_FACTOR",
    "task_gradients": "MULTITASK.GRADIENTS",
    "graph": "OPTIM.GRAPH",
    "features_device": "FEATURES.DEVICE",
    "early_stop": "TRAIN.EARLY_STOP",
    "final_model": "TEST.FINAL_MODEL",
    "tf32": "USE_TF32",
}


@dataclass(frozen=True)
class FitSettings:
    """What CoOp's, SoftCPT's and MVLPT's published runs have in common, unless said otherwise; see
    :func:`softcpt.fit` for each."""

    epochs: int = 50
    steps: int = 0
    steps_per_shot: int = 0
    lr: float = 0.002
    batch_size: int = 32
    seed: int = 1
    optimizer: str = "sgd"
    weight_decay: float = 5e-4
    momentum: float = 0.9
    schedule: str = "cosine"
    warmup_epochs: int = 1
    warmup_lr: float = 1e-5
    sampler: str = "RandomSampler"
    task_shares: tuple[str | float, ...] = ()
    drop_last: bool = True
    transforms: tuple[str, ...] = ("random_resized_crop", "random_flip", "normalize")
    crop_scale: tuple[float, float] = (0.08, 1.0)
    views: int = 0
    workers: int = 1
    bank: str = ""
    loss_shares: str = "images"
    task_weights: tuple[Any, ...] = ()
    task_weighting: str = "none"
    mean_factor: float = 0.9
    task_gradients: str = "sum"
    graph: str = "off"
    features_device: str = "cpu"
    early_stop: int = 0
    final_model: str = "last_step"
    tf32: bool = False

    def to_cfg(self, clip: Clip, root: str) -> CfgNode:
        """The configuration of a run with these settings, on images as ``clip`` takes them, whose
        files are below ``root``.

        Raises:
            UserError: a value is out of its range, or of another type.
        """
        cfg = config.default_config()
        given = {KEYS[field.name]: getattr(self, field.name) for field in fields(self)}
        given |= {
            **input_keys(clip.preprocessing),
            "OPTIM.WARMUP_TYPE": "constant",
            "DATASET.ROOT": root,
        }
        for key, value in given.items():
            config_keys.set_key(cfg, key, value, "fit")
        config.check_values(cfg)
        cfg.freeze()
        return cfg
