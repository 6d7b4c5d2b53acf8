"""Where CoOp's splits come from, and a second source of its data sets: each as a zip file with its
split, on Hugging Face."""

from __future__ import annotations

from softcpt.data.source import Source

REVISION = "ceb3112337fb6e1bf71534e355ca5569b63f19a6"
MIRROR = f"https://huggingface.co/zhengli97/prompt_learning_dataset/resolve/{REVISION}/"
# sha256 of CoOp's split files, wherever they come from.
SPLITS = {
    f"split_zhou_{name}.json": sha256
    for name, sha256 in (
        ("Caltech101", "52ce83205ff8ff8a1a18119aad6376120ae35c36e783a984bc560cbf10e73fa5"),
        ("DescribableTextures", "f26ebeccd2b58e68d70f07a0dc39fe49bf7b69024bac34396b954dfd87969c38"),
        ("EuroSAT", "541503a77d0b26b735d85ec7a3e672804fe0aa466c2e5f07da772cc6c0af8ad2"),
        ("Food101", "7c3d456c4f348255e1a363e0ea5118318936488f3ec20d83758e0ee67cb9037c"),
        ("OxfordFlowers", "2f50c42fc1a17ca13c271cb4269b1347bdb43d2be672e34f74a4e4cbfbcca794"),
        ("OxfordPets", "d7f3ffe65b3919f95132e51422894ae18686b83c331fd8c0adcdc3dc2de6301e"),
        ("StanfordCars", "40acee7aa65c8e4727a32d90e884b7c3f8960b523422317e163f7af65432959d"),
        ("SUN397", "9847f9ef611008073ac42adee6614bbb83f877cfbcfbd3115fc8284e0c8c1c47"),
        ("UCF101", "d78cb834f7c5792ceaff2c5ee2d7c76a9e4086e48a3a6b01232989d29cbefdd8"),
    )
}
_NOTE = "a second source, made by the authors of PromptKD: 14 of CoOp's data sets as zip files"


def coop_split(drive: str, name: str) -> Source:
    """A split file of CoOp's from the Google Drive file ``drive``."""
    return Source(drive, name, "gdrive", sha256=SPLITS[name])


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
    single = (
        Source(
            MIRROR + archive, name, member=f"{folder}/{name}", sha256=SPLITS.get(name), note=_NOTE
        )
        for name in files
    )
    return (whole, *single)
