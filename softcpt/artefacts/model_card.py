"""The model card of an artefact, its README.md: what a stranger needs to use it and to trust it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import yaml

from softcpt.artefacts.card_front import front_matter, papers_of

_CLASSES = 8  # of a task that are named


def model_card(config: Mapping[str, Any]) -> str:
    """README.md from config.json's contents."""
    front = yaml.safe_dump(front_matter(config), sort_keys=False, allow_unicode=True)
    return f"---\n{front}---\n\n" + "\n\n".join(_sections(config)) + "\n"


def _sections(config: Mapping[str, Any]) -> Iterator[str]:
    tasks, backbone = config["tasks"], config["backbone"]
    classes = sum(len(task["classes"]) for task in tasks)
    yield (
        f"# {config['method']} on {backbone['name']}: {_count(len(tasks), 'task')}, "
        f"{_count(classes, 'class', 'classes')}"
    )
    yield (
        f"What {config['method']} learned beside the frozen CLIP model {backbone['name']}: "
        f"{config['parameters']:,} trained numbers. It classifies images into the classes below. "
        "The CLIP model itself is not in this folder."
    )
    yield _use(config)
    yield "## Tasks\n\n" + _tasks(config)
    if config["measured"]:
        yield "## Results\n\n" + _results(config)
    yield "## Training\n\n" + _training(config)
    papers = [f"[arXiv {n}](https://arxiv.org/abs/{n})" for n in papers_of(config["method"])]
    if papers:
        yield f"## Paper\n\n{config['method']} is from {' and '.join(papers)}."
    yield "## Backbone\n\n" + _backbone(config)
    yield (
        "## Limits\n\nProbabilities compare the classes of one task. An image of none of them gets "
        "one of them all the same. They are not calibrated. Which task an image belongs to "
        "(`auto`) is a guess."
    )


def _use(config: Mapping[str, Any]) -> str:
    tasks = config["tasks"]
    task = f", task={tasks[0]['name']!r}" if len(tasks) > 1 else ""
    flag = f' --task "{tasks[0]["name"]}"' if len(tasks) > 1 else ""
    return (
        "## Use\n\n```python\nimport softcpt\n\n"
        'q = softcpt.load_prompt("FOLDER")  # this folder\n'
        f'print(q.predict(["a.jpg", "b.jpg"]{task}))\n```\n\n'
        f"```bash\npython -m softcpt predict FOLDER a.jpg b.jpg{flag}\n```"
    )


def _tasks(config: Mapping[str, Any]) -> str:
    rows = []
    for task in config["tasks"]:
        names = task["classes"]
        shown = ", ".join(names[:_CLASSES]) + (", ..." if len(names) > _CLASSES else "")
        rows.append([task["name"], len(names), shown, config["changed"].get(task["name"], "")])
    head = ["task", "number of classes", "classes", "note"]
    if not config["changed"]:
        head, rows = head[:-1], [row[:-1] for row in rows]
    return _table(head, rows)


def _results(config: Mapping[str, Any]) -> str:
    """Of the split that counts: the last one."""
    split, figures = list(config["measured"].items())[-1]
    methods = list(figures["tasks"])
    rows = [
        [task["name"], task["total"], *(_figure(figures, m, at) for m in methods)]
        for at, task in enumerate(figures["tasks"][methods[0]])
    ]
    means = [f"{figures['overall'][method]['overall_metric']:.2f}" for method in methods]
    rows.append(["mean over tasks", sum(row[1] for row in rows), *means])
    on = {"val": "validation images", "test": "test images"}.get(split, split)
    text = f"Metric in % on the {on}, each image in its own task.\n\n"
    text += _table(["task", "images", *methods], rows)
    errors = [
        [task["name"], *(f"{figures['tasks'][m][at]['mae']:.4g}" for m in methods)]
        for at, task in enumerate(figures["tasks"][methods[0]])
        if "mae" in task
    ]
    if errors:
        text += "\n\nMean absolute error of tasks whose classes are numbers, in their unit:\n\n"
        text += _table(["task", *methods], errors)
    if config["changed"]:
        text += "\n\nThe figures are those of the tasks as they were trained."
    if config["selected"]:
        chosen, on = config["selected"].get("what"), config["selected"].get("on")
        text += f"\n\nChosen on {on or 'images that are not known'}: {chosen}."
    return text


def _figure(figures: Mapping[str, Any], method: str, at: int) -> str:
    return f"{figures['tasks'][method][at]['metric']:.2f}"


def _training(config: Mapping[str, Any]) -> str:
    data = config["data"]
    facts: dict[str, Any] = {"method": config["method"], "options": _listed(config["options"])}
    facts |= {"data": data.get("name", ""), **{name: data.get(name) for name in ("shots", "seed")}}
    facts |= {f"{split} images": count for split, count in data.get("images", {}).items()}
    length = ("epochs", "steps", "steps_per_shot")
    wanted = (*length, "optimiser", "schedule", "batch_size", "precision", "device")
    # Of epochs and steps the one that does not count is None or 0.
    facts |= {name: config["settings"][name] for name in wanted if config["settings"].get(name)}
    if config["seconds"]:
        facts["seconds"] = f"{sum(config['seconds'].values()):.1f}"
    if config["source"]:
        facts["started from"] = config["source"].get("prompt", "another prompt")
    facts["versions"] = _listed({"softcpt": config["softcpt"], **config["versions"]})
    facts["saved"] = config["created"]
    return _table(["", ""], [[k, value] for k, value in facts.items() if value not in ("", None)])


def _listed(values: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in values.items() if value != "")


def _backbone(config: Mapping[str, Any]) -> str:
    kept, image = config["backbone"], config["preprocessing"]
    facts = {
        "name": kept["name"],
        "sha256 of the weights' values": kept["weights"],
        "images": f"{image['size']} x {image['size']}, {image['interpolation']}, "
        f"{image['resize']} side"
        if image["resize"] == "shortest"
        else f"{image['size']} squashed",
        "mean": ", ".join(f"{value:.4g}" for value in image["mean"]),
        "standard deviation": ", ".join(f"{value:.4g}" for value in image["std"]),
    }
    return _table(["", ""], [[name, value] for name, value in facts.items()])


def _table(head: list[str], rows: list[list[Any]]) -> str:
    def line(cells: list[Any]) -> str:
        texts = [str(cell).replace("|", "\\|").replace("\n", " ") for cell in cells]
        return f"| {' | '.join(texts)} |"

    return "\n".join([line(head), line(["---"] * len(head)), *map(line, rows)])


def _count(number: int, one: str, several: str = "") -> str:
    return f"{number:,} {one if number == 1 else several or one + 's'}"
