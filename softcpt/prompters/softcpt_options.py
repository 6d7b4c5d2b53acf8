"""The options of SoftCPT (softcpt/prompters/softcpt.py)."""

from __future__ import annotations

from dataclasses import dataclass

from softcpt.errors import UserError
from softcpt.prompters.base import PromptOptions
from softcpt.prompters.classifier import option
from softcpt.prompters.context_generator import GENERATORS, OTHER_GENERATORS
from softcpt.prompters.context_prompter import POSITIONS


@dataclass
class SoftCPTOptions(PromptOptions):
    """Options of SoftCPT; the defaults are the reference's NATA setting."""

    n_ctx: int = option(16, "L: generated context vectors")
    position: str = option("end", "place of the class name", POSITIONS, aliases=("TOKEN_POSITION",))
    task_n_ctx: int = option(4, "M: learnable vectors in front of the task's name")
    task_ctx_init: str = option("", "words whose embeddings the task context starts from")
    task_csc: bool = option(False, "a task context of its own for every task (NATS, CATS, CSTS)")
    task_position: str = option(
        "end", "place of the task's name", POSITIONS, aliases=("TASK_TOKEN_POSITION",)
    )
    csc: bool = option(
        False, "a context for every class, from class and task features (the CA and CS variants)"
    )
    class_n_ctx: int = option(
        4, "K: learnable vectors in front of the class name for class features (with csc)"
    )
    class_ctx_init: str = option("", "words whose embeddings the class context starts from")
    class_csc: bool = option(False, "a class context of its own for every class (CSTA, CSTS)")
    class_position: str = option(
        "end",
        "place of the class name for class features",
        POSITIONS,
        aliases=("CLASS_TOKEN_POSITION",),
    )
    generator: str = option(
        "lin",
        "network from features to contexts; fedtpg: from class names; mpt: one context, scaled for "
        "each task",
        (*GENERATORS, *OTHER_GENERATORS),
        aliases=("PG_TYPE",),
    )
    rank: int = option(64, "r: inner width of the generators lowrank and mlp")
    task_text: str = option(
        "name",
        "what a task's feature is made from: its name, its description, or none: a free "
        "vector per task (SoftCPT*)",
        ("name", "description", "none"),
    )
    weight: float = option(
        0.0,
        "lambda of KgCoOp's term, which holds class embeddings near the hand-written prompts; not "
        "the paper's (0: no term)",
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.weight and (self.cls_sample_rate or self.softmax == "joint"):
            raise UserError(
                f"option weight = {self.weight}: its term needs the classes of the batch's tasks; "
                "leave cls_sample_rate at 0 and softmax at task"
            )
        self._refuse_what_no_feature_has()

    @property
    def reads_task_features(self) -> bool:
        """Whether contexts are made from features F_t."""
        return self.generator in GENERATORS

    def _refuse_what_no_feature_has(self) -> None:
        """Options of features that the generator does not read would do nothing."""
        without = {"csc": False, "task_csc": False, "task_ctx_init": "", "task_text": "name"}
        for name, value in without.items():
            given = getattr(self, name)
            if given != value and not self.reads_task_features:
                raise UserError(
                    f"option {name} = {given!r}: the generator {self.generator} reads no features "
                    f"of tasks; leave it out, or choose {', '.join(GENERATORS)}"
                )
