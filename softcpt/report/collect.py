"""Finds and reads all results below some folders."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tqdm import tqdm

from softcpt.errors import UserError
from softcpt.report.log_txt import read_log
from softcpt.report.results_json import UnreadableError, read_results
from softcpt.report.run_result import Result

RESULTS_FILE = "results.json"


@dataclass(frozen=True)
class Collection:
    """What was found: ``results``, the number of ``files`` that hold them, and (path, why) of those
    ``left_out``."""

    results: list[Result]
    files: int
    left_out: list[tuple[str, str]]


def collect(paths: Sequence[Path]) -> Collection:
    """Read every results.json, and every log.txt of a folder without one, below ``paths`` (folders
    or files).

    Raises:
        UserError: a path does not exist, or there is nothing readable.
    """
    results: list[Result] = []
    left_out: list[tuple[str, str]] = []
    files = 0
    runs = list(_candidates(paths))
    for candidates in tqdm(runs, "reading runs", unit="run", delay=2, leave=False):
        found, problems = _read_first(candidates)
        results += found
        files += bool(found)
        left_out += problems
    if not results:
        why = f" ({left_out[0][0]}: {left_out[0][1]})" if left_out else ""
        raise UserError(
            f"report: no finished run below {', '.join(map(str, paths))}{why}; give the output "
            f"folder of runs, where {RESULTS_FILE} or log.txt files are"
        )
    return Collection(results, files, left_out)


def _read_first(candidates: Sequence[Path]) -> tuple[list[Result], list[tuple[str, str]]]:
    """The results of the first file that has any (of several logs the newest that ended with a
    result), or (path, why) of every file."""
    problems = []
    for path in candidates:
        try:
            found = read_results(path) if path.suffix == ".json" else [read_log(path)]
        except UnreadableError as error:  # noqa: PERF203 - one file at a time can be unreadable
            problems.append((str(path), str(error)))
        else:
            return found, []
    return [], problems


def _candidates(paths: Sequence[Path]) -> Iterator[list[Path]]:
    """Per run the files that may hold its result, the best first; each run once, in a stable
    order."""
    seen: set[Path] = set()
    for path in paths:
        if not path.exists():
            raise UserError(
                f"report {path}: no such file or folder; give the output folder of runs"
            )
        for folder, names in _folders(path, seen):
            if RESULTS_FILE in names:
                yield [folder / RESULTS_FILE]
            elif logs := sorted((name for name in names if _is_log(name)), reverse=True):
                yield [folder / name for name in logs]


def _folders(path: Path, seen: set[Path]) -> Iterator[tuple[Path, list[str]]]:
    """Every folder below ``path`` with its files, links followed, none twice."""
    if path.is_file():
        yield path.parent, [path.name]
        return
    for name, children, files in os.walk(path, followlinks=True):
        folder, real = Path(name), Path(name).resolve()
        children[:] = (
            [] if real in seen else sorted(child for child in children if not child.startswith("."))
        )
        if real not in seen:
            seen.add(real)
            yield folder, files


def _is_log(name: str) -> bool:
    """log.txt, and log.txt-<time> of a run that was repeated in the same folder."""
    return name == "log.txt" or name.startswith("log.txt-")
