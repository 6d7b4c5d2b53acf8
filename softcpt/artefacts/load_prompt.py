"""``load_prompt``: from a folder to a CLIP that is ready to classify."""

from __future__ import annotations

import os

import torch

from softcpt.artefacts import hub
from softcpt.artefacts.adapted import AdaptedClip
from softcpt.artefacts.artefact_files import read_artefact
from softcpt.artefacts.kept_backbone import find_backbone
from softcpt.artefacts.saving import rebuilt
from softcpt.clip.model import Clip


def load_prompt(
    folder: str | os.PathLike[str],
    clip: Clip | str | os.PathLike[str] | None = None,
    device: str | torch.device | None = None,
    precision: str | None = None,
) -> AdaptedClip:
    """Read what :meth:`softcpt.AdaptedClip.save` or a run of ``train.py`` left.

    Nothing in the files is run. Nothing is downloaded, but for an artefact on the Hugging Face hub
    its three files; its backbone is not.

    Args:
        folder: of the artefact, or the output folder of a run; or ``hf:<user>/<name>``, with
            ``@<branch, tag or commit>`` behind it if it is not to be the newest.
        clip: the backbone that it was trained on, or its name or path. None: it is loaded by the
            name, or from the weights file, that it was trained with.
        device: of a backbone that is loaded; None: CUDA if there is one, else the CPU.
        precision: of a backbone that is loaded; None: as in training.

    Returns:
        The backbone with what was trained.

    Raises:
        UserError: the artefact is missing, cut, or of a later format; the backbone is not on this
            machine, or has other weights than in training.

    Example:
        >>> clip = softcpt.load_clip("tiny")
        >>> tasks = softcpt.TaskSet([softcpt.Task("pets", ["cat", "dog"])])
        >>> data = softcpt.FeatureData(tasks, torch.randn(8, 256), torch.arange(8) % 2)
        >>> fitted = softcpt.fit("CoOp", clip, data, epochs=1, progress=False)
        >>> folder = fitted.save("pets_prompt")
        >>> softcpt.load_prompt("pets_prompt", clip)
        AdaptedClip(CoOp on tiny, 1 task(s): pets; 2 classes)
    """
    if hub.is_on_hub(folder):
        folder = hub.download(os.fspath(folder))
    files = read_artefact(os.fspath(folder))
    backbone = find_backbone(files.folder, files.config["backbone"], clip, device, precision)
    method, record, preprocessing = rebuilt(files, backbone)
    own = None if preprocessing == backbone.preprocessing else preprocessing
    return AdaptedClip(method, files.config["method"], record, own)
