"""A second source of CoOp's data sets: each as a zip file with its split, on Hugging Face."""

from __future__ import annotations

from softcpt.data.source import Source

REVISION = "ceb3112337fb6e1bf71534e355ca5569b63f19a6"
MIRROR = f"https://huggingface.co/zhengli97/prompt_learning_dataset/resolve/{REVISION}/"
_NOTE = "a second source, made by the authors of PromptKD: 14 of CoOp's data sets as zip files"


def mirrored(folder: str, images: str, *files: str, archive: str = "") -> tuple[Source, ...]:
    """A data set's sources there: all of it, and single files of it, which are read without the
    rest of the archive.

    Args:
        folder: in the archive, called as the data set's own is.
        images: what the first source of the images gives.
        files: in the folder.
        archive: name of the zip file; "": the folder's, with .zip.
    """
    archive = archive or f"{folder}.zip"
    # Its few-shot lists would be taken for draws that were made here.
    left_out = ("split_fewshot", "__MACOSX")
    whole = Source(
        MIRROR + archive, archive, unpack_to="..", gives=images, left_out=left_out, note=_NOTE
    )
    return (
        whole,
        *(Source(MIRROR + archive, name, member=f"{folder}/{name}", note=_NOTE) for name in files),
    )
