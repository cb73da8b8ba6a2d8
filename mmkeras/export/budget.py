"""The search for a file that fits: a size, a time, a device."""

import json
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path

from mmkeras import artefact

# One step of pruning removes half of the multiply-adds that are left, or
# less: from a smaller step a model recovers better.
LARGEST_STEP = 0.5
SMALLEST_FRACTION = 1 / 64


@dataclass(frozen=True)
class Budget:
    """What a file may cost.

    Args:
        size_kb: Kilobytes of the file; None is no limit.
        latency_ms: Milliseconds of one answer, on one thread of the machine
            that searches; None is no limit.
    """

    size_kb: float | None = None
    latency_ms: float | None = None

    def __post_init__(self):
        for name, value in asdict(self).items():
            if value is not None and not value > 0:
                raise ValueError(
                    f"`{name}` must be positive. Received: {value}"
                )

    def excess(self, size_kb: float, latency_ms: float) -> float:
        """Returns the largest share of a limit that is used; 1 just fits."""
        shares = [0.0]
        if self.size_kb is not None:
            shares.append(size_kb / self.size_kb)
        if self.latency_ms is not None:
            shares.append(latency_ms / self.latency_ms)
        return max(shares)


@dataclass(frozen=True)
class Candidate:
    """One model of the search, with what was measured of its file.

    Args:
        name: What was done, such as "pruned to 50 %".
        method: "as trained", "pruned" or "student".
        model: The `.keras` file.
        size_kb: Kilobytes of the quantized file.
        latency_ms: Median milliseconds of one answer, on one thread.
        drop: Largest drop of a task metric against the model as it was
            trained, on the validation split; a fraction.
        fits: Whether the file keeps to the budget and fits the device.
        misfits: Why it does not fit the device.
    """

    name: str
    method: str
    model: str
    size_kb: float
    latency_ms: float
    drop: float
    fits: bool
    misfits: tuple[str, ...] = field(default=())


Measure = Callable[[str, str, Path], Candidate]


def search(
    start: Path,
    prune: Callable[[float], Path],
    students: Iterable[tuple[str, float, Callable[[], Path]]],
    measure: Measure,
    budget: Budget,
    report: Callable[[str], None] = print,
) -> list[Candidate]:
    """Tries the model as it is, pruned further and further, and students.

    Args:
        start: The trained `.keras` file.
        prune: From a share of the multiply-adds to the `.keras` file of the
            model pruned to it and fine-tuned.
        students: Name, parameters as a share of the trained model's, and a
            function that trains the student; from large to small.
        measure: From name, method and `.keras` file to a candidate.
        budget: What the file may cost.
        report: Takes a line for each candidate.

    Returns:
        All candidates, in the order they were tried.
    """
    tried: list[Candidate] = []

    def attempt(name: str, method: str, path: Path) -> Candidate:
        found = measure(name, method, path)
        tried.append(found)
        report(line(found))
        return found

    first = attempt("as trained", "as trained", start)
    if first.fits:
        return tried
    excess = budget.excess(first.size_kb, first.latency_ms)
    _search_pruned(prune, attempt, budget, excess)
    # A student's file is about as much smaller as its parameters are fewer;
    # the first that should fit, and another should that be wrong.
    for name, share, build in students:
        if share * excess > 1.1 and share > SMALLEST_FRACTION:
            continue
        if attempt(name, "student", build()).fits:
            break
    return tried


def _search_pruned(prune, attempt, budget: Budget, excess: float) -> None:
    """Prunes until a file fits, then once more, less."""
    fraction = whole = 1.0
    while fraction > SMALLEST_FRACTION:
        step = max(LARGEST_STEP, min(0.9, 0.95 / max(excess, 1.0)))
        whole, fraction = fraction, fraction * step
        found = attempt(f"pruned to {fraction:.0%}", "pruned", prune(fraction))
        excess = budget.excess(found.size_kb, found.latency_ms)
        if found.fits:
            between = (whole * fraction) ** 0.5
            if between / fraction > 1.15 and excess < 0.9:
                attempt(f"pruned to {between:.0%}", "pruned", prune(between))
            return


def best(candidates: list[Candidate]) -> Candidate:
    """Returns the candidate that fits and has lost least.

    Raises:
        ValueError: If none fits; the message lists what was measured.
    """
    fitting = [found for found in candidates if found.fits]
    if not fitting:
        reasons = {m for found in candidates for m in found.misfits}
        raise ValueError(
            "A model within the budget must exist. Received: none of "
            f"{len(candidates)} fits\n{table(candidates)}"
            + "".join(f"\n{reason}" for reason in sorted(reasons))
        )
    return min(fitting, key=lambda found: (found.drop, found.size_kb))


def frontier(candidates: list[Candidate]) -> list[Candidate]:
    """Returns those that no other beats in both size and drop."""
    return [
        one
        for one in candidates
        if not any(
            other.size_kb <= one.size_kb
            and other.drop <= one.drop
            and (other.size_kb, other.drop) != (one.size_kb, one.drop)
            for other in candidates
        )
    ]


HEADER = f"{'candidate':24}{'kB':>9}{'ms':>9}{'drop':>9}  fits"


def line(found: Candidate) -> str:
    """Returns a candidate as a row of `table`."""
    return (
        f"{found.name:24}{found.size_kb:9,.1f}{found.latency_ms:9.3f}"
        f"{found.drop:9.4f}  {'yes' if found.fits else 'no'}"
    )


def table(candidates: list[Candidate]) -> str:
    """Returns the candidates as lines of text, those on the frontier marked."""
    front = frontier(candidates)
    rows = [
        f"{line(found)}{'  frontier' if found in front else ''}"
        for found in candidates
    ]
    return "\n".join([HEADER, *rows])


def write_search(
    folder: Path, candidates: list[Candidate], budget: Budget, **fields
) -> None:
    """Writes table and picture of a search, and a manifest, into `folder`.

    Args:
        folder: New folder.
        candidates: What was tried.
        budget: What the file may cost.
        fields: More for the manifest, such as the device profile.
    """
    folder.mkdir(parents=True, exist_ok=True)
    artefact.write_text(folder / "frontier.txt", table(candidates) + "\n")
    rows = [asdict(found) | {"model": None} for found in candidates]
    artefact.write_text(
        folder / "frontier.json", json.dumps(rows, indent=2) + "\n"
    )
    with artefact.atomic(folder / "frontier.png") as temporary:
        _draw(temporary, candidates, budget)
    names = ["frontier.json", "frontier.png", "frontier.txt"]
    artefact.write_manifest(
        folder, "search", names, budget=asdict(budget), **fields
    )


COLOURS = {"as trained": "#444444", "pruned": "#1f6fb4", "student": "#c2571a"}


def _draw(path: Path, candidates: list[Candidate], budget: Budget) -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 4), layout="constrained")
    axes = figure.subplots(1, 2, sharey=True)
    columns = (
        ("size_kb", "size of the file in kB", budget.size_kb),
        ("latency_ms", "latency in ms, one thread, here", budget.latency_ms),
    )
    best_of = frontier(candidates)
    for axis, (key, label, limit) in zip(axes, columns):
        for method, colour in COLOURS.items():
            some = [c for c in candidates if c.method == method]
            axis.scatter(
                [getattr(c, key) for c in some],
                [100 * c.drop for c in some],
                color=colour,
                label=method,
                s=[90 if c in best_of else 35 for c in some],
            )
        for found in candidates:
            axis.annotate(
                found.name,
                (getattr(found, key), 100 * found.drop),
                xytext=(6, 4),
                textcoords="offset points",
                fontsize=7,
            )
        if limit is not None:
            axis.axvline(limit, color="#2a8a3e", linestyle="--", linewidth=1)
        axis.set_xscale("log")
        axis.margins(x=0.25, y=0.15)
        axis.set_xlabel(label)
        axis.grid(alpha=0.3)
    axes[0].set_ylabel("drop in points (validation)")
    axes[0].legend(frameon=False, title="large: on the frontier")
    figure.savefig(path, dpi=120, format="png")
