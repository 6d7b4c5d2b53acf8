"""Gives trainers of CoOp's family the prompt of a data set that their file does not know.

Many of these files have a table of prompts by data set, ``CUSTOM_TEMPLATES``, with CoOp's eleven
in it, and stop with a KeyError at any other.
"""

from __future__ import annotations

import logging
import sys
from typing import Any

from yacs.config import CfgNode

_log = logging.getLogger(__name__)

TABLE = "CUSTOM_TEMPLATES"  # TCP has two, and calls the other one CUSTOM_TEMPLATES_ori
DEFAULT = "a photo of a {}."
# TCP's prompts begin with as many places to fill as it has context vectors.
PLACES = "X X X X "


def add_template(trainer: type[Any], cfg: CfgNode) -> None:
    """If the file of ``trainer`` has such a table without the data set of the run, add it:
    ``DATASET.TEMPLATE``, or what the data set's class says, or "a photo of a {}."; and print it."""
    from dassl.data.datasets import DATASET_REGISTRY

    module, data = sys.modules[trainer.__module__], str(cfg.DATASET.NAME)
    if data not in DATASET_REGISTRY.registered_names():
        return
    own = getattr(DATASET_REGISTRY.get(data), "template", "")
    for name, table in vars(module).items():
        if not name.startswith(TABLE) or not isinstance(table, dict) or data in table:
            continue
        with_places = any(str(prompt).startswith(PLACES) for prompt in table.values())
        table[data] = PLACES + "{}." if with_places else cfg.DATASET.TEMPLATE or own or DEFAULT
        _log.info(f"{module.__file__}: {name} has no {data}; its prompt is '{table[data]}'")
