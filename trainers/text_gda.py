"""TextGDA and TextGDA-MT: Gaussian discriminant analysis with class names as prior means;
softcpt/prompters/heads/text_gda.py."""

from __future__ import annotations

from typing import Any

from dassl.engine import TRAINER_REGISTRY

from softcpt.engine.fit_trainer import FitTrainer


@TRAINER_REGISTRY.register()
class TextGDA(FitTrainer):
    """Each task for itself."""

    method = "TextGDA"

    def method_options(self) -> dict[str, Any]:
        """Trained on base classes, it keeps what new ones need."""
        options = super().method_options()
        options["new_classes"] |= self.cfg.DATASET.SUBSAMPLE_CLASSES == "base"
        return options


@TRAINER_REGISTRY.register()
class TextGDAMT(TextGDA):
    """gamma and the covariance are estimated over all tasks."""

    method = "TextGDA-MT"
