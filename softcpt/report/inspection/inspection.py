"""All parts of an inspection, and the files that they become."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from softcpt.artefacts import hub
from softcpt.artefacts.adapted import AdaptedClip
from softcpt.artefacts.artefact_files import find_artefact
from softcpt.artefacts.load_prompt import load_prompt
from softcpt.report.formats import csv_text
from softcpt.report.inspection.calibration import TITLE as CALIBRATION
from softcpt.report.inspection.calibration import calibration
from softcpt.report.inspection.changes import changes
from softcpt.report.inspection.confusions import TITLE as CONFUSIONS
from softcpt.report.inspection.confusions import confusions
from softcpt.report.inspection.curve import learning_curve
from softcpt.report.inspection.pages import html_page, markdown_page
from softcpt.report.inspection.part import Part
from softcpt.report.inspection.relatives import similar_tasks
from softcpt.report.inspection.run_files import find_run
from softcpt.report.inspection.words import nearest_words
from softcpt.utils.files import atomic_write


@dataclass(frozen=True)
class Inspection:
    """What was found in an artefact; ``name`` says which."""

    name: str
    about: str
    parts: Sequence[Part]


def inspect(
    artefact: str | Path,
    run: Path | None = None,
    root: Path | None = None,
    words: int = 5,
    backbone: str | None = None,
    device: str | None = None,
) -> Inspection:
    """Look into an artefact.

    Args:
        artefact: its folder, that of the run that left it, or ``hf:<user>/<name>``.
        run: the run's folder, where the artefact was moved away from it.
        root: folder below which the data sets lie; None: as the run had it.
        words: how many nearest words of a context vector are kept.
        backbone: as ``clip`` of :func:`softcpt.load_prompt`.
        device: of the backbone.

    Raises:
        UserError: there is no artefact, no backbone, or ``run`` is of another prompt.
    """
    place = hub.download(str(artefact)) if hub.is_on_hub(artefact) else artefact
    folder = find_artefact(place)
    adapted = load_prompt(folder, backbone, device)
    found = find_run(folder, adapted, run)
    parts = [nearest_words(adapted.method, words), similar_tasks(adapted.method)]
    if isinstance(found, str):
        parts.append(changes(adapted.method_name, adapted.record.measured, None, found))
        parts += [Part(title, missing=[found]) for title in (CONFUSIONS, CALIBRATION)]
    else:
        parts.append(changes(adapted.method_name, adapted.record.measured, found, ""))
        parts.append(confusions(adapted, found, root))
        parts.append(calibration(adapted.method_name, found))
    parts.append(learning_curve(adapted.record.curve))
    return Inspection(str(artefact), _about(adapted), parts)


def _about(adapted: AdaptedClip) -> str:
    tasks, data = adapted.tasks, adapted.record.data
    trained = ""
    if data:
        trained = f", trained on {data.get('name')}, {data.get('shots')} shots"
        trained += f", seed {data.get('seed')}"
    return (
        f"{adapted.method_name} on {adapted.clip.name}: {len(tasks)} task(s), "
        f"{tasks.num_classes} classes, {adapted.record.parameters:,} trained numbers{trained}"
    )


def write_inspection(found: Inspection, folder: Path) -> list[Path]:
    """Write pictures, tables and the pages into ``folder``; returns the files, the page first.

    Args:
        found: what to write.
        folder: made if it is not there; files of the same names are replaced.

    Raises:
        UserError: a file cannot be written.
    """
    written, pictures = [], {}
    for part in found.parts:
        for name, _, figure in part.pictures:
            path = folder / f"{name}.png"
            with atomic_write(path) as temporary:
                figure.savefig(temporary, format="png", dpi=150)
            pictures[name] = path
            written.append(path)
        for name, records in part.records.items():
            written.append(_write(folder / f"{name}.csv", csv_text(records)))
    title = f"Inside {found.name}"
    page = html_page(title, found.about, found.parts, pictures)
    text = markdown_page(title, found.about, found.parts)
    return [_write(folder / "index.html", page), _write(folder / "index.md", text), *written]


def _write(path: Path, text: str) -> Path:
    with atomic_write(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
    return path
