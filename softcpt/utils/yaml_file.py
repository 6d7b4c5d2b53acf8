"""Reads yaml files that hold a mapping of keys."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from softcpt.errors import UserError

ENDINGS = (".yaml", ".yml")


def read_yaml(path: Path, what: str) -> Mapping[str, Any]:
    """The mapping in a yaml file; ``what`` it is called in messages.

    Raises:
        UserError: it is not valid yaml, or no mapping.
    """
    try:
        tree = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    except yaml.YAMLError as error:
        reason = " ".join(str(error).split())
        raise UserError(f"{what} {path}: not valid yaml ({reason}); fix the file") from error
    if not isinstance(tree, Mapping):
        raise UserError(
            f"{what} {path}: a mapping of keys is needed, as in {{OPTIM: {{LR: 0.002}}}}"
        )
    return tree
