"""Artefacts on the Hugging Face hub, or on a server that speaks like it (``HF_ENDPOINT``)."""

from __future__ import annotations

import importlib
import os
import shutil
from pathlib import Path
from tempfile import TemporaryDirectory
from textwrap import shorten
from typing import TYPE_CHECKING, Any

from softcpt.artefacts.artefact_files import (
    CARD_FILE,
    CONFIG_FILE,
    PROMPT_FILE,
    read_artefact,
    read_config,
)
from softcpt.errors import UserError
from softcpt.utils.files import write_json

if TYPE_CHECKING:
    from softcpt.artefacts.adapted import AdaptedClip

PREFIX = "hf:"
_FILES = [CONFIG_FILE, PROMPT_FILE, CARD_FILE]


def is_on_hub(name: str | os.PathLike[str]) -> bool:
    """Whether ``name`` is ``hf:<user>/<name>``, and not a folder's."""
    return isinstance(name, str) and name.startswith(PREFIX)


def download(name: str, folder: str | os.PathLike[str] | None = None) -> Path:
    """Download an artefact's three files, or find them in the hub's own cache.

    Args:
        name: ``hf:<user>/<name>``, with ``@<branch, tag or commit>`` behind it if it is not to be
            the newest.
        folder: where they shall be; None: in the cache.

    Returns:
        Their folder.

    Raises:
        UserError: there is no such artefact, it cannot be reached, or huggingface_hub is not
            installed.
    """
    repository, _, revision = name.removeprefix(PREFIX).partition("@")
    hub = _library()
    try:
        found = hub.snapshot_download(
            repository,
            revision=revision or None,
            allow_patterns=_FILES,
            local_dir=None if folder is None else os.fspath(folder),
        )
    # The library and what it reaches the network with raise errors of many kinds.
    except Exception as error:
        raise _one_line(name, "downloaded", error) from error
    if not Path(found, CONFIG_FILE).is_file():
        raise UserError(
            f"{name}: there is no {CONFIG_FILE} in that repository, so it is no artefact of this "
            "library; check the name"
        )
    return Path(found)


def push_to_hub(
    artefact: AdaptedClip | str | os.PathLike[str],
    repository: str,
    private: bool = False,
    message: str = "",
    token: str | None = None,
) -> str:
    """Upload an artefact's three files in one commit; the repository is made if there is none.

    The backbone is not uploaded. Of a weights file only its name is said, not where it lies.

    Args:
        artefact: what training gave, the folder of an artefact, or the output folder of a run.
        repository: ``<user>/<name>``, ``hf:`` before it or not.
        private: of a repository that is made: nobody else sees it.
        message: of the commit.
        token: of the user; None: the one that ``hf auth login`` kept, or ``HF_TOKEN``.

    Returns:
        The address of the page.

    Raises:
        UserError: the folder holds no whole artefact, the server refuses or cannot be reached, or
            huggingface_hub is not installed.

    Example:
        With the token that ``hf auth login`` kept:

        >>> tasks = softcpt.TaskSet([softcpt.Task("pets", ["cat", "dog"])])
        >>> method = softcpt.build_method("CoOp", softcpt.load_clip("tiny"), tasks, n_ctx=4)
        >>> page = softcpt.push_to_hub(softcpt.AdaptedClip(method, "CoOp"), "me/pets")
        >>> softcpt.load_prompt("hf:me/pets")
        AdaptedClip(CoOp on tiny, 1 task(s): pets; 2 classes)
    """
    repository, library = repository.removeprefix(PREFIX), _library()
    with TemporaryDirectory() as temporary:
        folder, method = _to_upload(artefact, Path(temporary))
        api = library.HfApi(token=token)
        try:
            page = api.create_repo(repository, private=private, exist_ok=True)
            api.upload_folder(
                repo_id=page.repo_id,
                folder_path=folder,
                allow_patterns=_FILES,
                commit_message=message or f"{method}, trained with softcpt",
            )
        except Exception as error:
            raise _one_line(PREFIX + repository, "uploaded", error) from error
    return str(page)


def _to_upload(artefact: AdaptedClip | str | os.PathLike[str], temporary: Path) -> tuple[Path, str]:
    """A folder of the three files as a stranger may see them, and the method's name."""
    if isinstance(artefact, (str, os.PathLike)):
        files = read_artefact(os.fspath(artefact))  # says what is wrong before anything is sent
        for name in _FILES:
            if (files.folder / name).is_file():
                shutil.copy(files.folder / name, temporary / name)
    else:
        artefact.save(temporary)
    config = read_config(temporary)
    if "file" in config["backbone"]:
        config["backbone"]["file"] = Path(config["backbone"]["file"]).name
        write_json(temporary / CONFIG_FILE, config)
    return temporary, str(config["method"])


def _library() -> Any:
    try:
        return importlib.import_module("huggingface_hub")
    except ImportError as error:
        raise UserError(
            "hub: huggingface_hub is not installed; pip install huggingface-hub"
        ) from error


def _one_line(name: str, what: str, error: Exception) -> UserError:
    status = getattr(getattr(error, "response", None), "status_code", None)
    remedy = {
        401: "log in with `hf auth login`, and check the name",
        403: "log in with `hf auth login` as a user who may do that",
        404: "check the name; a private one needs `hf auth login`",
    }.get(status or 0, "check name and network (HF_ENDPOINT names another server)")
    reason = shorten(str(error), 160, placeholder=" ...") or type(error).__name__
    return UserError(f"{name}: cannot be {what} ({reason}); {remedy}")
