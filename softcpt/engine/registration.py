"""Makes a method of others known: to the library, to ``train.py --trainer``, grids and reports."""

from __future__ import annotations

from typing import Any

from softcpt.engine.trainer import PromptTrainer  # first: it finds who provides dassl

# isort: split
from dassl.engine import TRAINER_REGISTRY

from softcpt.engine.fit_trainer import FitTrainer
from softcpt.prompters import FeatureClassifier, TaskClassifier, add_method


def register_method(name: str, kind: type[TaskClassifier], **options: Any) -> None:
    """Make ``kind`` usable as ``name`` wherever methods are named: in :func:`softcpt.build_method`,
    :func:`softcpt.fit`, ``train.py --trainer``, grids and reports.

    In a file of ``trainers/`` (in the folder that commands run in) it is all that a trainer needs.
    A name may be registered again, as a notebook's cell does that is run twice.

    Args:
        name: of the method.
        kind: a :class:`softcpt.Prompter` (trained step by step), a
            :class:`softcpt.FeatureClassifier` (fitted to features at once), or another
            :class:`softcpt.TaskClassifier`. Its options are the fields of ``kind.Options``; in a
            configuration they are ``TRAINER.<NAME OF THE CLASS>``.
        options: that the name fixes, as "CoOp-MT" fixes ``per_task=False``.

    Raises:
        UserError: the name is one of this package's, or ``kind`` is no method.

    Example:
        >>> from softcpt.prompters.coop import CoOp
        >>> class ShortCoOp(CoOp):
        ...     "CoOp with few vectors."
        >>> softcpt.register_method("ShortCoOp", ShortCoOp, n_ctx=2)
        >>> "ShortCoOp" in softcpt.list_methods()
        True
    """
    add_method(name, kind, options)
    base = FitTrainer if issubclass(kind, FeatureClassifier) else PromptTrainer
    trainer = type(name, (base,), {"method": name, "__doc__": kind.__doc__})
    TRAINER_REGISTRY.register(trainer, force=True)
