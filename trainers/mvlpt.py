"""MVLPT: CoOp, VPT or UPT, as the lengths in TRAINER.MVLPT say (Shen et al. 2022, arXiv
2211.11720).

``TRAINER.MVLPT`` has a part for each kind of prompt, and a kind is there if its ``N_CTX`` is not 0:

==============  ==========================================================
VPT             prompts of the image tower: method VPT
COOP            a context of the text tower: CoOp-MT, one for all tasks
VPT and COOP    both, made by one network: UPT
COCOOP          a context that depends on the image: CoCoOp-MT
==============  ==========================================================

Trained on several tasks these are the paper's MVPT, MCoOp and MUPT. Its softmax is over the classes
of all tasks. With ``DATASET.MULTITASK_LABEL_PERTASK`` it is over those of the image's own task; the
published code multiplies the other logits by zero there, which leaves them a share of the
probability, and here they have none.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from typing import Any

from dassl.engine import TRAINER_REGISTRY
from yacs.config import CfgNode

from softcpt.data.dataset_names import registered_name
from softcpt.data.elevater_tasks import elevater_task
from softcpt.engine.extension import Extension
from softcpt.engine.trainer import PromptTrainer
from softcpt.errors import UserError
from softcpt.task_results import TaskResult
from softcpt.tasks import TaskSet
from softcpt.utils.suggest import did_you_mean

# -- keys ------------------------------------------------------------------------------------------

_KEYS = {
    "PREC": "fp16",  # fp32, fp16, bf16 or amp
    "PROJECT_METHOD": "transformer",  # UPT's network: transformer, mlp or identity
    "PROJECT_DIM": 128,  # its width
    # All prompts attend to each other in it, as in the paper; in the published code none does.
    "MIX": False,
    # Compute the image tower's blocks again in the backward pass: less memory, more time.
    "CHECKPOINT": False,
    "MAX_TEXT_TOKENS": 0,  # encode at most this many tokens at once (0: no bound)
    "VPT": {"N_CTX": 0, "CSC": False, "CTX_INIT": "", "DROPOUT": 0.0, "PROJECT": -1, "DEEP": True},
    "COOP": {"N_CTX": 0, "CSC": False, "CTX_INIT": "", "CLASS_TOKEN_POSITION": "middle"},
    "COCOOP": {"N_CTX": 0, "CTX_INIT": "", "PREC": "fp16"},
}

# What cannot be anything else here, and why.
_FIXED = {
    "TRAINER.MVLPT.VPT.CTX_INIT": ("", "image prompts cannot start from words"),
    "TRAINER.MVLPT.VPT.CSC": (False, "image prompts cannot belong to a class"),
    "DATASET.TRAIN_SET": ("train", "a data set knows its parts"),
    "DATASET.VAL_SET": ("", "a data set knows its parts"),
    "DATASET.TEST_SET": ("val", "a data set knows its parts; TEST.SPLIT chooses what is tested"),
    "DATASET.CENTER_CROP": (False, "INPUT.TRANSFORMS says how images are cut"),
}


def add_keys(cfg: CfgNode) -> None:
    """Put the published code's keys, with its defaults, into the configuration's defaults."""
    cfg.TRAINER.MVLPT = CfgNode(_KEYS)
    # Names of data sets with commas between them, in place of NAME and TASKS.
    cfg.DATASET.DATASET = ""
    # Softmax over the classes of the image's own task.
    cfg.DATASET.MULTITASK_LABEL_PERTASK = False
    # The task whose metric counts, or the mean over tasks.
    cfg.DATASET.MULTITASK_EVALKEY = "average"
    for key, (value, _) in _FIXED.items():
        if key.startswith("DATASET."):
            cfg.DATASET[key.removeprefix("DATASET.")] = value
    # What these ask for is always so here, see ALWAYS_SO.
    cfg.DATASET.COOP = cfg.DATASET.MULTITASK = cfg.TRAINER.CUT_CONTEXTLEN = False
    cfg.TRAINER.ACT_CKPT = 1


# -- flags -----------------------------------------------------------------------------------------


def merge_flags(cfg: CfgNode, args: argparse.Namespace) -> None:
    """Take the values of its flags (softcpt/engine/mvlpt_flags.py).

    Raises:
        UserError: a flag of MVLPT's own is given with another trainer.
    """
    own = {
        "--multi-task-label_pertask": args.label_pertask,
        "--multi-task-evalkey": args.multi_task_evalkey,
    }
    for flag, given in own.items():
        if given and args.trainer != "MVLPT":
            raise UserError(
                f"{flag}: it is for --trainer MVLPT; with {args.trainer} leave it out (its option "
                "SOFTMAX says which classes compete)"
            )
    cfg.DATASET.DATASET = args.dataset or cfg.DATASET.DATASET
    cfg.DATASET.NUM_SHOTS = cfg.DATASET.NUM_SHOTS if args.shots is None else args.shots
    cfg.DATASET.MULTITASK_LABEL_PERTASK |= args.label_pertask
    cfg.DATASET.MULTITASK_EVALKEY = args.multi_task_evalkey or cfg.DATASET.MULTITASK_EVALKEY


def marks(args: argparse.Namespace) -> list[tuple[str, str]]:
    """What in its flags makes another run, beside the shots and the name of a single data set."""
    flags = (
        ("--dataset", args.dataset if "," in args.dataset else ""),
        ("--multi-task-label_pertask", args.label_pertask),
        ("--multi-task-evalkey", args.multi_task_evalkey),
    )
    return [(name, str(value)) for name, value in flags if value]


def name_data(cfg: CfgNode) -> None:
    """``DATASET.DATASET`` "OxfordPets,cifar-10" as ``DATASET.NAME`` and ``DATASET.TASKS``;
    any names of theirs as the registered ones."""
    names = [name.strip() for name in cfg.DATASET.DATASET.split(",") if name.strip()]
    if len(names) == 1:
        cfg.DATASET.NAME, cfg.DATASET.TASKS = names[0], ()
    elif names:
        cfg.DATASET.NAME, cfg.DATASET.TASKS = "MultiTask", tuple(names)
    cfg.DATASET.NAME = registered_name(cfg.DATASET.NAME)
    cfg.DATASET.TASKS = tuple(map(registered_name, cfg.DATASET.TASKS))


EXTENSION = Extension(
    extend_cfg=add_keys,
    merge_flags=merge_flags,
    finish_cfg=name_data,
    run_marks=marks,
    key_aliases={
        "DATASET.NUM_SAMPLES_PER_CLASS": "DATASET.NUM_SHOTS",
        "DATASET.RANDOM_SEED_SAMPLING": "SEED",
    },
)


# -- what they describe ----------------------------------------------------------------------------


def method_and_options(cfg: CfgNode) -> tuple[str, dict[str, Any]]:
    """The method that ``TRAINER.MVLPT`` describes, and its options.

    Raises:
        UserError: it describes none, or asks for what is not possible.
    """
    for key, (value, why) in _FIXED.items():
        given = cfg
        for part in key.split("."):
            given = given[part]
        if given != value:
            raise UserError(f"{key} is {given!r}: {why}; leave it at {value!r}")
    node = cfg.TRAINER.MVLPT
    vpt, coop, cocoop = node.VPT, node.COOP, node.COCOOP
    options = {"softmax": "task" if cfg.DATASET.MULTITASK_LABEL_PERTASK else "joint"}
    options |= {"max_text_tokens": node.MAX_TEXT_TOKENS} if node.MAX_TEXT_TOKENS else {}
    text = {
        "n_ctx": coop.N_CTX,
        "csc": coop.CSC,
        "ctx_init": coop.CTX_INIT,
        "position": coop.CLASS_TOKEN_POSITION,
    }
    image = {"deep": vpt.DEEP, "dropout": vpt.DROPOUT, "checkpoint": node.CHECKPOINT}
    kinds = tuple(name for name in ("VPT", "COOP", "COCOOP") if node[name].N_CTX)
    if kinds == ("VPT",):
        return "VPT", options | image | {"n_ctx": vpt.N_CTX, "project_dim": max(vpt.PROJECT, 0)}
    if kinds == ("COOP",):
        return "CoOp-MT", options | text
    if kinds == ("COCOOP",):
        return "CoCoOp-MT", options | {"n_ctx": cocoop.N_CTX, "ctx_init": cocoop.CTX_INIT}
    if kinds == ("VPT", "COOP"):
        if vpt.PROJECT > 0:
            raise UserError(
                f"TRAINER.MVLPT.VPT.PROJECT is {vpt.PROJECT}: with COOP.N_CTX PROJECT_METHOD's "
                "network brings image prompts to their width; leave it at -1"
            )
        return "UPT", options | text | image | {
            "visual_n_ctx": vpt.N_CTX,
            "project": node.PROJECT_METHOD,
            "project_dim": node.PROJECT_DIM,
            "mix": node.MIX,
        }
    wrong = f"{' and '.join(kinds)} do not go together" if kinds else "no prompt has a length"
    raise UserError(
        f"TRAINER.MVLPT: {wrong}; give COOP.N_CTX 16 (a text prompt), VPT.N_CTX 16 (image "
        "prompts), both 4, or COCOOP.N_CTX 4"
    )


def counting_task(cfg: CfgNode, tasks: TaskSet) -> str | None:
    """The task that ``DATASET.MULTITASK_EVALKEY`` names, itself or by its data set; None: the mean
    over tasks counts.

    Raises:
        UserError: there is no such task.
    """
    key = cfg.DATASET.MULTITASK_EVALKEY
    found = elevater_task(key)
    if found:
        key = found.task if found.task in tasks.names else found.name
    members = cfg.DATASET.TASKS if len(cfg.DATASET.TASKS) == len(tasks) else tasks.names
    if key == "average":
        return None
    if key in tasks.names or key in members:
        return key if key in tasks.names else tasks.names[members.index(key)]
    near = did_you_mean(key, tasks.names)
    hint = f", {near}" if near else ""
    raise UserError(
        f"DATASET.MULTITASK_EVALKEY is '{cfg.DATASET.MULTITASK_EVALKEY}': no such task{hint}; give "
        f"average, or one of {', '.join(tasks.names)}"
    )


# -- the trainer -----------------------------------------------------------------------------------


@TRAINER_REGISTRY.register()
class MVLPT(PromptTrainer):
    """One prompt for all tasks, whose classes share a softmax; ``method`` is what the published
    keys describe."""

    def method_name(self, cfg: CfgNode) -> str:
        """VPT, CoOp-MT, UPT or CoCoOp-MT."""
        return method_and_options(cfg)[0]

    def method_options(self) -> dict[str, Any]:
        """Keyword options of ``build_prompter``."""
        return method_and_options(self.cfg)[1]

    def precision(self) -> str:
        """``TRAINER.MVLPT.PREC``."""
        return str(self.cfg.TRAINER.MVLPT.PREC)

    def build_data_loader(self) -> None:
        """The data set's batches; the task whose metric counts must be one of its own."""
        super().build_data_loader()
        self.counting_task = counting_task(self.cfg, self.tasks)

    def figure_that_counts(
        self, figures: Mapping[str, float], results: Sequence[TaskResult]
    ) -> float:
        """The metric of ``DATASET.MULTITASK_EVALKEY``'s task, or the mean over tasks."""
        for result in results:
            if result.name == self.counting_task:
                return float(result.metric)
        return super().figure_that_counts(figures, results)
