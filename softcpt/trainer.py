"""The name under which trainers outside this project import :class:`PromptTrainer`."""

from softcpt.engine.trainer import PromptTrainer

__all__ = ["PromptTrainer"]
