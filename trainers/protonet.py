"""Nearest class means of image features (arXiv 1703.05175), nothing optimised;
softcpt/prompters/protonet.py."""

from __future__ import annotations

from dassl.engine import TRAINER_REGISTRY

from softcpt.engine.fit_trainer import FitTrainer


@TRAINER_REGISTRY.register()
class ProtoNet(FitTrainer):
    """w_c = mean of the image features of c."""

    method = "ProtoNet"
