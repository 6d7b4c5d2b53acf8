"""Zero-shot CLIP: hand-written prompts, nothing trained; softcpt/prompters/zeroshot.py."""

from __future__ import annotations

from dassl.engine import TRAINER_REGISTRY

from softcpt.engine.extension import Extension, TrainerAlias
from softcpt.engine.trainer import PromptTrainer

# SoftCPT's folder of configurations.
EXTENSION = Extension(trainer_aliases={"ZeroShot": TrainerAlias("ZeroshotCLIP")})


@TRAINER_REGISTRY.register()
class ZeroshotCLIP(PromptTrainer):
    """w_c = text("a photo of a {name of c}."), the task's template."""

    method = "ZeroShot"
    learns = False

    def train(self) -> None:
        """There is nothing to train: test."""
        self.test()
        self.report(trained=False)


@TRAINER_REGISTRY.register()
class ZeroshotCLIP2(ZeroshotCLIP):
    """The mean over eight templates; CoOp's name for it."""

    method = "ZeroShotEnsemble"
