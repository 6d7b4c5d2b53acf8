"""Nearest class means of image features (arXiv 1703.05175), nothing optimised; softcpt/prompters/prototypes.py."""

from __future__ import annotations

from dassl.engine import TRAINER_REGISTRY

from softcpt.fitting import FittingTrainer


@TRAINER_REGISTRY.register()
class ProtoNet(FittingTrainer):
    """w_c = mean of the image features of c."""

    method = "ProtoNet"
