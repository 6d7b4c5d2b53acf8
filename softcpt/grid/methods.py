"""Finds by a method's name its trainer, and the settings that make it that method."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from softcpt.engine import config
from softcpt.engine.extension import trainer_alias
from softcpt.errors import UserError
from softcpt.prompters import METHODS
from softcpt.utils.suggest import near_and_all


@dataclass(frozen=True)
class Method:
    """A trainer and settings; ``learns`` and ``by_steps`` as in
    :class:`softcpt.engine.trainer.PromptTrainer`."""

    trainer: str
    set: Mapping[str, Any]
    learns: bool
    by_steps: bool


def find_method(name: str) -> Method:
    """The trainer ``name``, or that of the method ``name``: "SoftCPT-NATS" is SoftCPT with
    TASK_CSC.

    Raises:
        UserError: there is neither.
    """
    from dassl.engine import TRAINER_REGISTRY

    trainers = {known: TRAINER_REGISTRY.get(known) for known in TRAINER_REGISTRY.registered_names()}
    if name in trainers:
        return _method(name, trainers[name], {})
    alias = trainer_alias(name)
    if alias.trainer in trainers:
        return _method(alias.trainer, trainers[alias.trainer], alias.settings)
    trainer_of: dict[str, str] = {}  # method -> the first trainer of it
    for known, trainer in trainers.items():
        trainer_of.setdefault(getattr(trainer, "method", ""), known)
    if name in trainer_of:
        return _method(trainer_of[name], trainers[trainer_of[name]], {})
    plain = _without_settings(name, trainer_of)
    if plain is None:
        known_names = sorted({*trainers, *METHODS})
        raise UserError(f"method {name}: there is none; {near_and_all(name, known_names)}")
    return _method(trainer_of[plain], trainers[trainer_of[plain]], _settings_of(name))


def _without_settings(name: str, known: Iterable[str]) -> str | None:
    """The method of ``known`` that has the same prompter as ``name`` and no settings fixed."""
    if name not in METHODS:
        return None
    prompter, _ = METHODS[name]
    same = (method for method in known if METHODS.get(method) == (prompter, {}))
    return next(same, None)


def _settings_of(name: str) -> dict[str, Any]:
    """Configuration key -> value of what the method's name fixes."""
    prompter, fixed = METHODS[name]
    keys = {option: key for key, option in config.option_keys(prompter.Options).items()}
    node = config.node_name(name)
    return {f"TRAINER.{node}.{keys[option]}": value for option, value in fixed.items()}


def _method(name: str, trainer: Any, settings: Mapping[str, Any]) -> Method:
    return Method(
        name, settings, getattr(trainer, "learns", True), getattr(trainer, "by_steps", True)
    )
