"""What is known of how a prompt was trained, and what it reached; kept with it as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from softcpt.errors import UserError

# Of a task's figures, what results.json has and an artefact leaves out: it grows with the classes.
_LEFT_OUT = ("per_class", "confusion")


@dataclass(frozen=True)
class Record:
    """Facts beside the tensors. Whoever makes a prompt fills in what it knows; all may be empty.

    Attributes:
        measured: by split, the one that counts last: "overall" (means by method, "ZeroShot" among
            them if it was measured) and "tasks" (a list of figures by method), as results.json has
            them (docs/results.md).
        selected: what was chosen on which images; None: nothing was.
        curve: per epoch its number and mean loss.
        balance: how tasks counted in the loss; None: by their images (docs/balance.md).
        early_stop: by which rule training could end early, and when it did; None: by none.
        settings: of the training, by the names of results.json's "shared".
        data: "name" of the data, "shots", "seed", and "images": their number by split.
        parameters: trained numbers.
        seconds: wall time by section.
        versions: of Python and the libraries.
        source: the prompt that training started from; None: from scratch.
        changed: task -> what was done to it after training, in words.

    Example:
        >>> tasks = softcpt.TaskSet([softcpt.Task("pets", ["cat", "dog"])])
        >>> data = softcpt.FeatureData(tasks, torch.randn(8, 256), torch.arange(8) % 2)
        >>> clip = softcpt.load_clip("tiny")
        >>> fitted = softcpt.fit("CoOp", clip, data, epochs=2, n_ctx=4, progress=False)
        >>> fitted.record.parameters == 4 * clip.text_width
        True
        >>> [epoch["epoch"] for epoch in fitted.record.curve]
        [1, 2]
    """

    measured: dict[str, Any] = field(default_factory=dict)
    selected: dict[str, Any] | None = None
    curve: list[dict[str, float]] = field(default_factory=list)
    balance: dict[str, Any] | None = None
    early_stop: dict[str, Any] | None = None
    settings: dict[str, Any] = field(default_factory=dict)
    data: dict[str, Any] = field(default_factory=dict)
    parameters: int = 0
    seconds: dict[str, float] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)
    source: dict[str, Any] | None = None
    changed: dict[str, str] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any], place: str) -> Record:
        """What :meth:`to_dict` gave; keys that are not known here are left out.

        Args:
            values: what it gave.
            place: where they stand, for messages.

        Raises:
            UserError: a value is of another kind.
        """
        empty = asdict(cls())
        found: dict[str, Any] = {}
        for entry in fields(cls):
            if entry.name not in values:
                continue
            value, default = values[entry.name], empty[entry.name]
            kinds = (dict, type(None)) if default is None else type(default)
            if not isinstance(value, kinds):
                raise UserError(
                    f"{place}: {entry.name} is {type(value).__name__}; restore the file as it was "
                    "saved"
                )
            found[entry.name] = value
        return cls(**found)


def figures_of(results: Mapping[str, Any]) -> dict[str, Any]:
    """The "overall" and "tasks" of a split in results.json, without what grows with the number of
    classes."""
    return {
        "overall": results["overall"],
        "tasks": {
            method: [
                {name: value for name, value in task.items() if name not in _LEFT_OUT}
                for task in tasks
            ]
            for method, tasks in results["tasks"].items()
        },
    }
