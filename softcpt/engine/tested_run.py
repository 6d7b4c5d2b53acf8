"""What ``--eval-only`` reads from the run in ``--model-dir``: its trainer, settings and backbone.

So ``train.py --eval-only --model-dir RUN`` is whole. What is given beside it wins where it says how
to test (data, images, precision), and is refused where it contradicts what was trained.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from yacs.config import CfgNode

from softcpt.artefacts import checkpoint
from softcpt.artefacts.artefact_files import read_config
from softcpt.artefacts.kept_backbone import backbone_source
from softcpt.artefacts.published_checkpoints import is_reference
from softcpt.engine import config, config_keys
from softcpt.engine.continuation import find_run
from softcpt.engine.results_file import RESULTS_FILE, read_results
from softcpt.errors import UserError
from softcpt.prompters import METHODS
from softcpt.utils.kinds import Kind, shown, wrong_value

# Options of a method that say how it is trained or computed, not what was trained.
_FREE = ("PREC", "MAX_TEXT_TOKENS", "CLS_SAMPLE_RATE", "CHECKPOINT", "CTX_INIT")
# Nodes and keys that are the test's own.
_OF_THE_TEST = (
    "TEST",
    "TRAINER",
    "OUTPUT_DIR",
    "RESUME",
    "VERBOSE",
    "VERSION",
    "USE_CUDA",
    "USE_TF32",
)
_OF_THE_DATA = ("DATASET", "SEED")
_IMAGES: dict[str, Kind] = {
    "size": int,
    "mean": [(int, float)],
    "std": [(int, float)],
    "interpolation": str,
}
_RUN_NAME = re.compile(r"(?P<config>.+)_-?\d+shots(?P<mark>-\w+)?")


@dataclass(frozen=True)
class TestedRun:
    """A run whose prompt is tested.

    Attributes:
        folder: of the run.
        method: by its variant's name.
        options: of the method, by the names of its options' fields.
        cfg: the run's whole configuration; None: only its prompts are there.
        backbone: the model's name.
        kept: key -> value, of an artefact: "INPUT." and "MODEL." for the images and the backbone,
            "DATASET." for the data.
    """

    __test__ = False  # no test case of pytest's

    folder: str
    method: str
    options: Mapping[str, Any]
    cfg: CfgNode | None
    backbone: str
    kept: Mapping[str, Any] = field(default_factory=dict)

    @property
    def trainer(self) -> str:
        """The run's trainer; where it is not known, one of its method."""
        from dassl.engine import TRAINER_REGISTRY

        known: list[str] = TRAINER_REGISTRY.registered_names()
        if self.cfg is not None and self.cfg.TRAINER.NAME in known:
            return str(self.cfg.TRAINER.NAME)
        methods = {name: getattr(TRAINER_REGISTRY.get(name), "method", "") for name in known}
        for name, method in methods.items():
            if method == self.method:
                return name
        kind = METHODS[self.method][0]
        for name, method in methods.items():
            if method in METHODS and METHODS[method][0] is kind:
                return name
        raise UserError(
            f"--model-dir {self.folder}: there is no trainer of {self.method}; give --trainer"
        )

    @property
    def config_name(self) -> str:
        """What the run's configuration is called in its folder, or else the folder itself."""
        folder = Path(self.folder).absolute()
        match = _RUN_NAME.fullmatch(folder.parent.name)
        return match["config"] + (match["mark"] or "") if match else folder.name

    def settings_of_prompt(self, trainer: str) -> dict[str, Any]:
        """Key -> value of the options of what was trained, where ``trainer`` has them."""
        if self.cfg is not None and trainer == self.cfg.TRAINER.NAME:
            nodes = config.own_nodes(trainer)
            return {
                f"TRAINER.{key}": value
                for key, value in config_keys.leaves(self.cfg.TRAINER)
                if key.partition(".")[0] in nodes
            }
        kind, node = METHODS[self.method][0], config.node_name(self.method)
        keys = config.option_keys(kind.Options)
        return {
            f"TRAINER.{node}.{key}": self.options[name]
            for key, name in keys.items()
            if name in self.options
        }


def find_tested_run(folder: str, epoch: int | None) -> TestedRun | None:
    """The run in ``folder`` by its prompt of ``epoch``; None: there is no such prompt, or it is of
    a published code, which does not say of which method it is.

    Raises:
        UserError: its method is none here, or what it says of its settings is damaged.
    """
    if is_reference(folder):
        return None
    try:
        path = checkpoint.find_prompt(folder, epoch)
    except UserError:
        return None
    _, header = checkpoint.load_prompt(path)
    if header["method"] not in METHODS:
        raise UserError(
            f"checkpoint {path}: a prompt of {shown(header['method'])}, which is no method here; "
            "give --plugins with its file, or update softcpt"
        )
    text = _config_text(folder)
    cfg = None if text is None else _configuration(text, folder)
    artefact = path.name == checkpoint.ARTEFACT_PROMPT and cfg is None
    kept = _settings_of_artefact(path.parent) if artefact else {}
    return TestedRun(folder, header["method"], header["options"], cfg, header["backbone"], kept)


def _configuration(text: str, folder: str) -> CfgNode:
    """The configuration that a run wrote."""
    try:
        cfg = CfgNode.load_cfg(text)
        cfg.TRAINER.NAME  # noqa: B018 - whether it is one
    except Exception as error:  # text that is no configuration makes yaml and yacs raise any
        raise UserError(
            f"--model-dir {folder}: the settings of the run in it are damaged "
            f"({type(error).__name__}); restore its {RESULTS_FILE}, or give another run"
        ) from error
    return cfg


def _settings_of_artefact(folder: Path) -> dict[str, Any]:
    """What an artefact says of its images, backbone and data, as keys of the configuration."""
    written = read_config(folder)
    image, data = written["preprocessing"], written.get("data", {})
    if fault := wrong_value(image, _IMAGES) or wrong_value({"data": data}, {"data": dict}):
        raise UserError(f"artefact {folder}: config.json is damaged ({fault}); save it again")
    found: dict[str, Any] = {
        "INPUT.SIZE": (image["size"], image["size"]),
        "INPUT.PIXEL_MEAN": image["mean"],
        "INPUT.PIXEL_STD": image["std"],
        "INPUT.INTERPOLATION": image["interpolation"],
        "INPUT.RESIZE_MODE": image.get("resize", "shortest"),
        **dict(data.get("keys") or {}),
    }
    if data.get("keys") and "seed" in data:
        found["SEED"] = data["seed"]
    # One that is gone is said when the prompt is loaded, unless --backbone gives it.
    with suppress(UserError):
        found["MODEL.BACKBONE.NAME"] = backbone_source(folder, written["backbone"])
    return found


def _config_text(folder: str) -> str | None:
    kept = find_run(folder, required=False)
    if kept is not None:
        return str(kept[1]["config"])
    results = Path(folder, RESULTS_FILE)
    if results.is_file():
        text = read_results(results).get("config")
        return text if isinstance(text, str) else None
    return None


def serves(run: TestedRun, trainer: str) -> bool:
    """Whether the run's settings are those of ``trainer``.

    If not, it decides itself what it does with the run: trainers without a method of ours, or those
    that start from contexts that the run's method makes.

    Raises:
        UserError: it is of another method.
    """
    from dassl.engine import TRAINER_REGISTRY

    if run.cfg is not None and trainer == run.cfg.TRAINER.NAME:
        return True
    own = TRAINER_REGISTRY.get(trainer)
    method = getattr(own, "method", "")
    if method not in METHODS or not own.learns:
        return False
    ours, theirs = METHODS[method][0], METHODS[run.method][0]
    if ours is theirs:
        return True
    if theirs.makes_contexts and ours.takes_contexts:
        return False
    raise UserError(
        f"--trainer {trainer}: the run in {run.folder} is of {run.method}; leave --trainer out, or "
        "give another --model-dir"
    )


def take_settings(cfg: CfgNode, run: TestedRun, trainer: str, images: bool, data: bool) -> None:
    """Put the run's settings in the place of the defaults.

    Args:
        cfg: the defaults.
        run: that is tested.
        trainer: that tests it.
        images: take all but the data: none of it is given by a file.
        data: take the data too.
    """
    source = f"run {run.folder}"
    if run.backbone in _backbones():
        config_keys.set_key(cfg, "MODEL.BACKBONE.NAME", run.backbone, source)
    for key, value in run.settings_of_prompt(trainer).items():
        config_keys.set_key(cfg, key, value, source)
    for key, value in run.kept.items():
        of_data = key.partition(".")[0] in _OF_THE_DATA
        if data if of_data else images or key == "MODEL.BACKBONE.NAME":
            config_keys.set_key(cfg, key, value, source)
    if run.cfg is None:
        return
    config_keys.set_key(cfg, "MODEL.BACKBONE.NAME", run.cfg.MODEL.BACKBONE.NAME, source)
    known = dict(config_keys.leaves(cfg))
    for key, value in config_keys.leaves(run.cfg):
        node = key.partition(".")[0]
        wanted = data if node in _OF_THE_DATA else images and node not in _OF_THE_TEST
        if wanted and key in known:
            config_keys.set_key(cfg, key, value, source)


def refuse_contradictions(cfg: CfgNode, run: TestedRun, trainer: str) -> None:
    """Refuse options other than those that the prompt was trained with.

    Raises:
        UserError: naming the first one.
    """
    given = dict(config_keys.leaves(cfg))
    trained = run.settings_of_prompt(trainer)
    for key, value in trained.items():
        name = key.rpartition(".")[2]
        # Words replace the number of context vectors.
        replaced = name == "N_CTX" and trained.get(f"{key.rpartition('.')[0]}.CTX_INIT")
        if name.endswith(_FREE) or replaced or key not in given:
            continue
        if given[key] != value:
            raise UserError(
                f"{key} is {given[key]!r}: the run in {run.folder} was trained with {value!r}; "
                "leave it out"
            )


def _backbones() -> set[str]:
    from softcpt.engine.config_names import BACKBONES

    return {"tiny", *(name for name, _ in BACKBONES.values())}
