"""Methods by name. A name is a class and the options that make it that method."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from softcpt.clip.model import Clip
from softcpt.errors import UserError
from softcpt.prompters.base import Prompter, PromptOptions
from softcpt.prompters.classifier import TaskClassifier
from softcpt.prompters.cocoop import CoCoOp
from softcpt.prompters.coop import CoOp
from softcpt.prompters.feature_classifier import FeatureClassifier
from softcpt.prompters.heads.clap import CLAP
from softcpt.prompters.heads.cross_modal import CrossModal
from softcpt.prompters.heads.gda import GDA
from softcpt.prompters.heads.lp_plus_plus import LPPlusPlus
from softcpt.prompters.heads.means_text import MeansText
from softcpt.prompters.heads.proker import ProKeR
from softcpt.prompters.heads.prolip import ProLIP
from softcpt.prompters.heads.task_res import TaskRes
from softcpt.prompters.heads.text_gda import TextGDA
from softcpt.prompters.heads.tip_adapter import TipAdapter
from softcpt.prompters.heads.tip_adapter_f import TipAdapterF
from softcpt.prompters.heads.zs_lp import ZSLP
from softcpt.prompters.kgcoop import KgCoOp
from softcpt.prompters.linear_probe import LinearProbe
from softcpt.prompters.plot import PLOT
from softcpt.prompters.prograd import ProGrad
from softcpt.prompters.protonet import ProtoNet
from softcpt.prompters.softcpt import SoftCPT
from softcpt.prompters.upt import UPT
from softcpt.prompters.vpt import VPT
from softcpt.prompters.zeroshot import ZeroShot, ZeroShotEnsemble
from softcpt.tasks import TaskSet
from softcpt.utils.suggest import near_and_all
from softcpt.utils.typed import read_mapping

# SoftCPT's variants: class features N(o) / C(lass) A(gnostic) or S(pecific), then task context
# A(gnostic) or S(pecific). FedTPG and MPT are the papers that a generator is from.
METHODS: dict[str, tuple[type[TaskClassifier], dict[str, Any]]] = {
    "ZeroShot": (ZeroShot, {}),
    "ZeroShotEnsemble": (ZeroShotEnsemble, {}),
    "LinearProbe": (LinearProbe, {}),
    "ProtoNet": (ProtoNet, {}),
    "MeansText": (MeansText, {}),
    "Tip-Adapter": (TipAdapter, {}),
    "Tip-Adapter-F": (TipAdapterF, {}),
    "GDA": (GDA, {}),
    "ZS-LP": (ZSLP, {}),
    "CLAP": (CLAP, {}),
    "LP++": (LPPlusPlus, {}),
    "CrossModal": (CrossModal, {}),
    "TaskRes": (TaskRes, {}),
    "ProLIP": (ProLIP, {}),
    "ProKeR": (ProKeR, {}),
    "TextGDA": (TextGDA, {}),
    "TextGDA-MT": (TextGDA, {"per_task": False}),
    "CoOp": (CoOp, {}),
    "CoOp-MT": (CoOp, {"per_task": False}),
    "CoCoOp": (CoCoOp, {}),
    "CoCoOp-MT": (CoCoOp, {"per_task": False}),
    "KgCoOp": (KgCoOp, {}),
    "ProGrad": (ProGrad, {}),
    "PLOT": (PLOT, {}),
    "VPT": (VPT, {}),
    "UPT": (UPT, {}),
    "SoftCPT": (SoftCPT, {}),
    "SoftCPT-Star": (SoftCPT, {"task_text": "none"}),
    "SoftCPT-NATA": (SoftCPT, {}),
    "SoftCPT-NATS": (SoftCPT, {"task_csc": True}),
    "SoftCPT-CATA": (SoftCPT, {"csc": True}),
    "SoftCPT-CSTA": (SoftCPT, {"csc": True, "class_csc": True}),
    "SoftCPT-CATS": (SoftCPT, {"csc": True, "task_csc": True}),
    "SoftCPT-CSTS": (SoftCPT, {"csc": True, "class_csc": True, "task_csc": True}),
    "SoftCPT-FedTPG": (SoftCPT, {"generator": "fedtpg"}),
    "SoftCPT-MPT": (SoftCPT, {"generator": "mpt"}),
}


OWN = frozenset(METHODS)  # what others register is beside these


def list_methods() -> list[str]:
    """Names that :func:`build_method` takes.

    Returns:
        This package's, and those that :func:`softcpt.register_method` added.

    Example:
        >>> "SoftCPT" in softcpt.list_methods()
        True
    """
    return list(METHODS)


def build_method(name: str, clip: Clip, tasks: TaskSet, **options: Any) -> TaskClassifier:
    """The method ``name`` for ``tasks`` on a frozen ``clip``.

    Args:
        name: one of :func:`list_methods`.
        clip: the frozen model.
        tasks: the tasks whose classes are distinguished.
        options: fields of the method's ``Options``; what the name fixes can be overridden.

    Returns:
        The method: a :class:`Prompter`, or one that is fitted to image features (linear probe,
        class means).

    Raises:
        UserError: for an unknown method or option.

    Example:
        >>> clip = softcpt.load_clip("tiny")
        >>> tasks = softcpt.TaskSet([softcpt.Task("pets", ["cat", "dog"])])
        >>> method = softcpt.build_method("CoOp", clip, tasks, n_ctx=4)
        >>> method.class_embeddings().shape
        torch.Size([2, 256])
    """
    if name not in METHODS:
        raise UserError(f"method '{name}': unknown; {near_and_all(name, METHODS)}")
    kind, fixed = METHODS[name]
    read = read_mapping(kind.Options, {**fixed, **options}, f"options of {name}")
    return kind(clip, tasks, read)


# The first names of the two, when all methods made prompts.
build_prompter, list_prompters = build_method, list_methods


def add_method(name: str, kind: type[TaskClassifier], options: Mapping[str, Any]) -> None:
    """Enter a method of others; a name of theirs may be given again, as a notebook's cell does
    that is run twice.

    Raises:
        UserError: the name is one of this project's methods, or ``kind`` cannot be a method.
    """
    if name in OWN:
        raise UserError(f"method '{name}': it is one of this package's; choose another name")
    if not (isinstance(kind, type) and issubclass(kind, TaskClassifier)):
        raise UserError(
            f"method '{name}': {kind!r} is no method; derive a class from softcpt.Prompter, "
            "softcpt.FeatureClassifier or softcpt.TaskClassifier"
        )
    same = {other.__name__.upper(): other for other, _ in METHODS.values()}
    before = same.get(kind.__name__.upper())
    ours = before is not None and any(METHODS[own][0] is before for own in OWN)
    if before is not kind and ours:
        raise UserError(
            f"method '{name}': a method of this package is a class {kind.__name__}, too, and its "
            "options have that name in configurations; rename the class"
        )
    read_mapping(kind.Options, dict(options), f"options of {name}")
    METHODS[name] = (kind, dict(options))


def variant_name(name: str, options: Mapping[str, Any]) -> str:
    """What the method ``name`` is called with ``options``: SoftCPT with ``task_csc`` is
    "SoftCPT-NATS"."""
    kind, fixed = METHODS[name]
    settings = {**fixed, **options}
    fits = {}
    for other, (other_kind, theirs) in METHODS.items():
        between = fixed.items() <= theirs.items() <= settings.items()
        if other_kind is kind and between:
            fits[other] = len(theirs)
    return max(fits, key=lambda other: (fits[other], other == name))


__all__ = [
    "METHODS",
    "FeatureClassifier",
    "PromptOptions",
    "Prompter",
    "TaskClassifier",
    "add_method",
    "build_method",
    "build_prompter",
    "list_methods",
    "list_prompters",
    "variant_name",
]
