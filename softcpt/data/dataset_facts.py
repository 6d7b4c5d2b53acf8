"""What a data set of published images states about itself, as class attributes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from softcpt.data.folder_layout import Layout
from softcpt.data.source import Source


class Publication(Layout):
    """The published images: where they lie and where they are from, on what terms.

    Two data sets of the same images (CoOp's and ELEVATER's) share one of these, and each adds its
    classes, split and draws.

    Attributes:
        sources: the files to fetch.
        licence, citation, homepage: the terms, the paper and the page.
    """

    sources: ClassVar[tuple[Source, ...]] = ()
    licence: ClassVar[str] = "not stated"
    citation: ClassVar[str] = ""
    homepage: ClassVar[str] = ""


class DatasetFacts(Publication):
    """The facts of one classification task, or several, besides those of its publication.

    Attributes:
        rule: how a split is made without one: "ratio" (50/20/30 of every class), "trainval" (80/20
            of the official training list, official test list), "official" (the lists are the split;
            there are no split files), "drawn" (:class:`softcpt.data.elevater.ElevaterDataset`).
        draws_folder: folder of few-shot draws in the data set's folder; with a ``split_dk_*.json``
            it is "split_fewshot_mt", and where the lists are the split that one's draws are used
            too.
        divided_apart: folders in ``image_dir`` with class folders, each divided by itself, as
            SoftCPT does with the three folders of its Kaggle sets.
        own_folder: False: its folder is another data set's, so it is looked at only where it is
            asked for by name.
        ignored: folders beside the class folders that are no classes.
        leaves: classes are the innermost folders; False: those directly in ``image_dir``.
        renamed: class names by folder name; others stay as they are. Override ``class_name`` for a
            rule.
        test_only: all images are test images; ``train_x`` is the same list, since Dassl needs one.
        val_is_test: validation images are the test images, as CoOp has it for ImageNet; no few-shot
            draw of them.
        task_name, metric, template: of :class:`softcpt.tasks.Task`. ``DATASET.TASK_NAME``, then a
            ``task_name.txt`` in the folder (SoftCPT's) come before ``task_name``;
            ``DATASET.TEMPLATE`` before ``template``; an entry "data set=metric" of
            ``DATASET.METRICS`` before ``metric``. The task's description is in a ``task_desc.txt``
            in the folder.
        num_tasks: how many tasks it has.
        num_classes: classes as published; 0: unknown. In an instance, those of the tasks at hand.
        sizes: images for training, validation and test of the published split.
        images: images altogether; 0: the sum of ``sizes``, or unknown.
    """

    rule: ClassVar[str] = "ratio"
    draws_folder: ClassVar[str] = "split_fewshot"
    divided_apart: ClassVar[tuple[str, ...]] = ("",)
    own_folder: ClassVar[bool] = True
    ignored: ClassVar[tuple[str, ...]] = ()
    leaves: ClassVar[bool] = False
    renamed: ClassVar[Mapping[str, str]] = {}
    test_only: ClassVar[bool] = False
    val_is_test: ClassVar[bool] = False
    task_name: ClassVar[str] = ""
    metric: ClassVar[str] = "accuracy"
    template: ClassVar[str] = "a photo of a {}."
    num_tasks: ClassVar[int] = 1
    num_classes: int = 0
    sizes: ClassVar[tuple[int, int, int] | None] = None
    images: ClassVar[int] = 0

    @classmethod
    def expected_images(cls) -> int | None:
        """How many images the publisher's data set has; None: not stated."""
        return cls.images or sum(cls.sizes or ()) or None
