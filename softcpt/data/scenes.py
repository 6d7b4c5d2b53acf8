"""What the remote sensing scene sets have in common."""

from __future__ import annotations

from softcpt.data.base import TaskDataset
from softcpt.data.class_words import words


class SceneDataset(TaskDataset):
    """Overhead pictures, a folder per class, divided 50/20/30. Class names are the folders' in
    lower-case words.

    None of these sets has a split file that the field agrees on: ``split_zhou_<Name>.json`` and
    ``split_dk_<Name>.json`` are used where you have one, as is ``split.json`` of the benchmark of
    El Khoury et al.
    """

    template = "a centered satellite photo of {}."

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        own = (f"split_zhou_{cls.__name__}.json", f"split_dk_{cls.__name__}.json", "split.json")
        cls.split_files = cls.__dict__.get("split_files", own)

    def class_name(self, name: str) -> str:
        """The folder's name in words, or what the set's ``renamed`` says."""
        return self.renamed.get(name, words(name))
