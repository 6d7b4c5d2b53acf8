"""RS-8, as far as it is known."""

from dassl.data.datasets import DATASET_REGISTRY

from softcpt.data.multitask import MultiTaskDataset


@DATASET_REGISTRY.register()
class RS8(MultiTaskDataset):
    """Eight remote sensing tasks with 208 classes.

    An ASSUMPTION: SoftCPT's paper counts 8 tasks and 208 classes and nobody published which.
    Several choices of eight among the usual scene sets have 208 classes; this is one. Do not
    compare with the paper's RS-8 numbers. Another list is one line: ``DATASET.TASKS "['AID',
    'EuroSAT', ...]"``.
    """

    members = (
        "AID",
        "EuroSAT",
        "RESISC45",
        "PatternNet",
        "RSICB128",
        "RSSCN7",
        "UCMerced",
        "SIRIWHU",
    )
