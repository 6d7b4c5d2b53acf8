"""Fashion-20: twenty tasks in one folder, together and one by one."""

from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

from dassl.data.datasets import DATASET_REGISTRY

from softcpt.data.base import TaskDataset
from softcpt.data.image_files import scan
from softcpt.data.source import Source
from softcpt.data.split import Item, Split
from softcpt.data.split_rules import CoopRule, SplitRule, by_task
from softcpt.errors import UserError
from softcpt.tasks import Task, TaskSet

# Tasks in the order of their folders, and the kind of thing that is looked at.
TASKS = (
    ("pants_type", "pants"),
    ("pants_length", "pants"),
    ("waist_type", "pants"),
    ("collar_type", "tops"),
    ("sleeve_type", "tops"),
    ("sleeve_length", "tops"),
    ("top_pattern", "tops"),
    ("shoe_material", "shoes"),
    ("shoe_style", "shoes"),
    ("heel_shape", "shoes"),
    ("heel_thickness", "shoes"),
    ("heel_height", "shoes"),
    ("upper_height", "shoes"),
    ("toe_cap_style", "shoes"),
    ("hat_style", "hat"),
    ("socks_length", "socks"),
    ("socks_type", "socks"),
    ("skirt_length", "skirt"),
    ("number_of_button_rows", "tops"),
    ("underwear_style", "underwear"),
)


@DATASET_REGISTRY.register()
class Fashion20(TaskDataset):
    """Clothes from web search: 20 tasks, 78 classes, about 24,000 images.
    ``fashion20/images/<task>/<class>/*.jpg``.

    Folders are numbers from 0; ``task_info.csv`` (tab-separated, a header, then task name in the
    second column and class names, with commas between, in the fourth) says what they stand for. A
    task is divided 50/20/30 as a whole, not class by class, and a few-shot draw goes through all
    tasks in one run of the generator: both as in SoftCPT.

    Attributes:
        task_index: the one task of a single-task set; None: all.
    """

    dataset_dir = "fashion20"
    image_dir = "images"
    skips_wrappers = False  # folders are numbers: a single one is a task of a part of the set
    split_files = ("split_dk_Fashion20.json",)
    metric = "mean_per_class"
    num_classes = 78
    num_tasks = 20
    task_index: ClassVar[int | None] = None
    sources = (
        Source(
            "https://pan.baidu.com/s/1ITXWaRVVXi1PLnbXVa_kjA?pwd=67c4",
            "fashion20.zip",
            "manual",
            unpack_to="..",
            gives="task_info.csv",
            note="Baidu Netdisk, access code 67c4; needs a Baidu account",
        ),
    )
    licence = "not stated; images from web search"
    citation = (
        "Ding et al.: Prompt tuning with soft context sharing for vision-language models. "
        "Neurocomputing 2024"
    )
    homepage = "https://github.com/kding1225/softcpt"

    @classmethod
    def drawn_file(cls) -> str:
        """One split serves all tasks."""
        return "split_drawn_Fashion20.json"

    def chosen_tasks(self) -> str:
        """The one task of a single-task set, else ``DATASET.SUBSAMPLE_TASKS``."""
        return super().chosen_tasks() if self.task_index is None else f"task{self.task_index}"

    def make_split(self, folder: Path) -> Split:
        """Every task's images, shuffled together and divided."""
        names = [names for _, names in self._info(folder)]
        images = self.image_folder(folder)
        items = list(self._items(images))
        for item in items:
            if item.task >= len(names) or item.label >= len(names[item.task]):
                raise UserError(
                    f"data set {self.name()}: {item.path} in {images} does not fit "
                    f"{folder / 'task_info.csv'}; {self.advice}"
                )
        if not items:
            raise UserError(f"data set {self.name()}: no image in {images}; {self.advice}")
        task_names = [name for name, _ in self._info(folder)]
        return Split(*self.split_rule.divide([("all", items)]), names, task_names)

    @property
    def split_rule(self) -> SplitRule:
        """50/20/30 of every task."""
        return CoopRule(f"data set {self.name()}", by_task)

    def make_tasks(self, split: Split) -> TaskSet:
        """The twenty tasks as ``task_info.csv`` names them."""
        info = self._info(self.folder)
        given = self.options.task_name
        if given and self.task_index is None:
            raise UserError(
                "DATASET.TASK_NAME: Fashion20 has many tasks; rename them in task_info.csv"
            )
        if len(info) != len(split.class_names):
            raise UserError(
                f"{self.folder / 'task_info.csv'}: {len(info)} tasks, and {split.source} has "
                f"{len(split.class_names)}; {self.advice}"
            )
        tasks = []
        for index, (name, names) in enumerate(info):
            shown = given if given and index == self.task_index else name
            template = self.template
            if index < len(TASKS):
                template = f"a photo of {{}}, a type of {TASKS[index][1]}."
            template = self.options.template or template
            tasks.append(Task(shown, tuple(names), self.metric, template))
        return TaskSet(tasks)

    def _info(self, folder: Path) -> list[tuple[str, list[str]]]:
        """(name, class names) of each task."""
        path = folder / "task_info.csv"
        rows = [line.split("\t") for line in self.lines(path)[1:]]
        if any(len(row) != 4 for row in rows):
            raise UserError(
                f"{path}: four columns with tabs between are needed in every line; {self.advice}"
            )
        return [
            (name.strip().replace("_", " "), [label.strip() for label in labels.split(",")])
            for _, name, _, labels in rows
        ]

    @staticmethod
    def _items(images: Path) -> Iterator[Item]:
        for task in sorted(filter(str.isdecimal, scan(images)[0]), key=int):
            for label in sorted(filter(str.isdecimal, scan(images / task)[0]), key=int):
                for name in scan(images / task / label)[1]:
                    yield Item(f"{task}/{label}/{name}", int(task), int(label))


def single_task(index: int) -> type[Fashion20]:
    """The data set of one task: ``FashionPantsType`` and so on."""
    name, kind = TASKS[index]
    facts = {
        "task_index": index,
        "num_tasks": 1,
        "num_classes": 0,
        "images": 0,
        "task_name": name.replace("_", " "),
        "__doc__": f"Task {index} of Fashion20, of {kind}.",
        "__module__": __name__,
    }
    return type("Fashion" + name.title().replace("_", ""), (Fashion20,), facts)


for number in range(len(TASKS)):
    DATASET_REGISTRY.register(single_task(number))
