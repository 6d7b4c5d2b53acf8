"""Makes tables of paired comparisons, average ranks, cost, and methods' own settings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from softcpt.report.benchmark import Benchmark, is_zero_shot, shots_name, slug
from softcpt.report.comparisons import Comparison, Contest
from softcpt.report.statistics import summary
from softcpt.report.table import MISSING, NOTHING, Cell, Row, Table, p_text, signed

_PAIRED = [
    "method A",
    "method B",
    "pairs",
    "A − B",
    "95 % interval",
    "better/equal/worse",
    "p, t",
    "p, Wilcoxon",
    "p, Wilcoxon over tasks",
]

_PAIRED_NOTE = (
    "A pair is one task at one seed (and number of shots), where both methods had the same images "
    "and views. p-values are two-sided and corrected by Holm's method over the comparisons of the "
    "table. Seeds of a task share its test images, so pairs are not independent and the first two "
    "tests are optimistic; the last takes each task once (the mean of its differences)."
)
_COST_NOTE = (
    "Mean wall seconds over seeds, without encoding images, which has its own column (with a "
    "feature bank the first run encodes for all; times read from logs include it). Memory is the "
    "highest of any run: of the GPU, or of the whole process."
)


def contest_tables(benchmark: Benchmark, contest: Contest, explain: bool = True) -> list[Table]:
    """Average ranks, then every pair of methods; ``explain`` says below how to read these."""
    where = "all shots together" if contest.shots is None else shots_name(contest.shots)
    name = "all-shots" if contest.shots is None else slug(contest.shots)
    if contest.classes != "all":
        where, name = f"{contest.classes} classes, {where}", f"{contest.classes}-{name}"
    folded = contest.shots is not None and len(benchmark.shots(contest.classes)) > 1
    title = f"{benchmark.name}, {where}"
    pairs = Table(
        "comparisons",
        f"pairs-{name}",
        f"{title}: paired differences, points of %",
        _PAIRED,
        [Row([Cell(text) for text in _texts(pair)]) for pair in contest.comparisons],
        [_PAIRED_NOTE] if explain else [],
        [_place(benchmark, contest) | _numbers(pair) for pair in contest.comparisons],
        labels=2,
        folded=folded,
    )
    if not contest.ranks:
        return [pairs]
    ranks = Table(
        "ranks",
        f"ranks-{name}",
        f"{title}: average rank (1 is best)",
        ["method", "average rank"],
        [Row([Cell(method), Cell(f"{rank:.2f}")]) for method, rank in contest.ranks.items()],
        [_ranks_note(contest)],
        [
            _place(benchmark, contest) | {"method": method, "rank": rank, "units": contest.ranked}
            for method, rank in contest.ranks.items()
        ],
        folded=folded,
    )
    return [ranks, pairs]


def _ranks_note(contest: Contest) -> str:
    text = f"Over the {contest.ranked} units (task, seed, shots) that all methods have"
    if contest.friedman is not None:
        text += f"; Friedman's test of equal ranks: p {_relation(contest.friedman)}"
    return f"{text}."


def _relation(p: float) -> str:
    return "< 0.001" if p < 0.001 else f"= {p:.3f}"


def _place(benchmark: Benchmark, contest: Contest) -> dict[str, Any]:
    return {
        "group": benchmark.group,
        "benchmark": benchmark.name,
        "classes": contest.classes,
        "shots": "all" if contest.shots is None else contest.shots,
    }


def _texts(pair: Comparison) -> list[str]:
    found, half = pair.units, pair.units.half_width
    interval = (
        NOTHING if half is None else f"{signed(found.mean - half)} to {signed(found.mean + half)}"
    )
    return [
        pair.a,
        pair.b,
        str(found.n),
        signed(found.mean),
        interval,
        f"{found.wins}/{found.ties}/{found.losses}",
        p_text(pair.t_test),
        p_text(pair.wilcoxon),
        p_text(pair.wilcoxon_tasks),
    ]


def _numbers(pair: Comparison) -> dict[str, Any]:
    found, half = pair.units, pair.units.half_width
    return {
        "method_a": pair.a,
        "method_b": pair.b,
        "pairs": found.n,
        "difference": found.mean,
        "ci95_low": None if half is None else found.mean - half,
        "ci95_high": None if half is None else found.mean + half,
        "better": found.wins,
        "equal": found.ties,
        "worse": found.losses,
        "p_t": found.t_test,
        "p_t_holm": pair.t_test,
        "p_wilcoxon": found.wilcoxon,
        "p_wilcoxon_holm": pair.wilcoxon,
        "tasks": pair.tasks.n,
        "p_wilcoxon_tasks": pair.tasks.wilcoxon,
        "p_wilcoxon_tasks_holm": pair.wilcoxon_tasks,
    }


def train_seconds(seconds: dict[str, float]) -> float | None:
    """Of a run without encoding images, which the feature bank does once for all methods (where the
    file tells apart)."""
    return None if "total" not in seconds else seconds["total"] - seconds.get("image", 0.0)


def cost_table(benchmark: Benchmark) -> Table | None:
    """Trainable parameters, seconds and peak memory of every trained method; None where no run
    tells any."""
    records = cost_records(benchmark, benchmark.classes()[0])
    if not records:
        return None
    shots = benchmark.shots(benchmark.classes()[0])
    head = [
        "method",
        "parameters",
        *(f"s, {shots_name(each)}" for each in shots),
        "s, images",
        "peak MB",
    ]
    rows = []
    for method in dict.fromkeys(record["method"] for record in records):
        mine = [record for record in records if record["method"] == method]
        cells = [_highest(_known(mine, "parameters"))]
        for each in shots:
            at = [record for record in mine if record["shots"] == each]
            cells.append(_mean(_known(at, "seconds"), MISSING))
        cells.append(_mean(_known(mine, "seconds_image"), NOTHING))
        cells.append(_highest([size / 1e6 for size in _known(mine, "peak_memory_bytes")]))
        rows.append(Row([Cell(method), *map(Cell, cells)]))
    title = f"{benchmark.name}: time and memory of a run"
    return Table("cost", "cost", title, head, rows, [_COST_NOTE], records)


def _known(records: Sequence[dict[str, Any]], key: str) -> list[float]:
    return [record[key] for record in records if record[key] is not None]


def cost_records(benchmark: Benchmark, classes: str | None = None) -> list[dict[str, Any]]:
    """One mapping per run of a trained method that tells its time; of all ``classes`` but tests on
    new ones, for None."""
    records = []
    for place in benchmark.places():
        cost = benchmark.cost(place)
        wanted = place.classes == classes if classes else place.classes != "new"
        if is_zero_shot(place.method) or cost is None or not cost.seconds or not wanted:
            continue
        records.append(
            {
                "group": benchmark.group,
                "benchmark": benchmark.name,
                "method": place.method,
                "classes": place.classes,
                "shots": place.shots,
                "seed": place.seed,
                "parameters": cost.parameters,
                "seconds": train_seconds(dict(cost.seconds)),
                "seconds_image": cost.seconds.get("image"),
                "seconds_text": cost.seconds.get("text"),
                "seconds_total": cost.seconds.get("total"),
                "peak_memory_bytes": cost.memory,
                "mean": benchmark.mean(place),
            }
        )
    return records


def _mean(values: Sequence[float], absent: str) -> str:
    found = summary(values)
    return absent if found is None else f"{found.mean:,.1f}"


def _highest(values: Sequence[float]) -> str:
    return f"{max(values):,.0f}" if values else NOTHING


def settings_table(benchmark: Benchmark) -> Table | None:
    """Methods' own settings that are not the same for all of them: learning rates, epochs; None if
    there are none."""
    values = _optimisation_settings(benchmark)
    methods = [method for method in benchmark.methods(None) if method in values]
    keys = sorted({key for mine in values.values() for key in mine})
    rows = []
    for key in keys:
        of_methods = [values[method].get(key, set()) for method in methods]
        several = any(len(found) > 1 for found in of_methods)
        if several or len({frozenset(found) for found in of_methods}) > 1:
            texts = [", ".join(sorted(found)) or NOTHING for found in of_methods]
            rows.append(Row([Cell(key), *map(Cell, texts)]))
    if not rows:
        return None
    return Table(
        "settings",
        "own-settings",
        f"{benchmark.name}: optimisation settings that differ between methods",
        ["setting", *methods],
        rows,
        ["Several values: they differ with the number of shots."],
    )


def _optimisation_settings(benchmark: Benchmark) -> dict[str, dict[str, set[str]]]:
    """Method -> key -> values that its runs have."""
    values: dict[str, dict[str, set[str]]] = {}
    for place, runs in benchmark.runs.items():
        for run in runs:
            for key, value in run.options.items():
                if key.startswith(("OPTIM.", "DATALOADER.")):
                    values.setdefault(place.method, {}).setdefault(key, set()).add(value)
    return values
