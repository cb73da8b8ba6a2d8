"""The search for a file that fits: a size, a time, a device."""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from mmkeras import artefact
from mmkeras.arguments import check_number
from mmkeras.escaping import say
from mmkeras.studies.shrink.frontier_picture import draw

# One step of pruning removes half of the multiply-adds that are left, or
# less: from a smaller step a model recovers better.
LARGEST_STEP = 0.5
SMALLEST_FRACTION = 1 / 64


class OutOfReach(Exception):
    """What `prune` raises where nothing more can be removed."""


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
            if value is not None:
                check_number(name, value, above=0)

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
        name: What was done, such as "pruned to 50 %, int8".
        method: "as trained", "pruned" or "student".
        model: The `.keras` file.
        quantize: How its file was quantized.
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
    quantize: str
    size_kb: float
    latency_ms: float
    drop: float
    fits: bool
    misfits: tuple[str, ...] = field(default=())


Measure = Callable[[str, str, Path, str], Candidate]


def search(
    start: Path,
    prune: Callable[[float], Path],
    students: Iterable[tuple[str, float, Callable[[], Path]]],
    measure: Measure,
    budget: Budget,
    quantize: Sequence[str] = ("int8",),
    report: Callable[[str], None] = say,
) -> list[Candidate]:
    """Tries the model as it is, pruned further and further, and students.

    Args:
        start: The trained `.keras` file.
        prune: From a share of the multiply-adds to the `.keras` file of the
            model pruned to it and fine-tuned; raises `OutOfReach` where
            nothing more can be removed.
        students: Name, parameters as a share of the trained model's, and a
            function that trains the student; from large to small.
        measure: From name, method, `.keras` file and quantization to a
            candidate.
        budget: What the file may cost.
        quantize: Quantizations to try of each model, the dearest first.
        report: Takes a line for each candidate.

    Returns:
        All candidates, in the order they were tried.
    """
    tried: list[Candidate] = []

    def attempt(name: str, method: str, path: Path) -> Candidate:
        for how in quantize:
            found = measure(f"{name}, {how}", method, path, how)
            tried.append(found)
            report(line(found))
            if found.fits:
                break
        return found

    first = attempt("as trained", "as trained", start)
    if first.fits:
        return tried
    excess = budget.excess(first.size_kb, first.latency_ms)
    try:
        _search_pruned(prune, attempt, budget, excess)
    except OutOfReach as error:
        report(f"pruned no further: {error}")
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


HEADER = f"{'candidate':32}{'kB':>9}{'ms':>9}{'drop':>9}  fits"


def line(found: Candidate) -> str:
    """Returns a candidate as a row of `table`."""
    return (
        f"{found.name:32}{found.size_kb:9,.1f}{found.latency_ms:9.3f}"
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
    folder: Path,
    candidates: list[Candidate],
    budget: Budget,
    copies: Mapping[str, Path] | None = None,
    **fields: Any,
) -> None:
    """Writes table and picture of a search, and a manifest, into `folder`.

    Args:
        folder: New folder, or that of an older search.
        candidates: What was tried.
        budget: What the file may cost.
        copies: Further files of the folder, by name, which are copied.
        fields: More for the manifest, such as the device profile.
    """
    copies = copies or {}
    names = ["frontier.json", "frontier.png", "frontier.txt", *copies]
    with artefact.replacing(folder, "search", names) as new:
        for name, source in copies.items():
            artefact.copy_file(source, new / name)
        _write(new, candidates, budget)
        artefact.write_manifest(
            new, "search", names, budget=asdict(budget), **fields
        )


def _write(folder: Path, candidates: list[Candidate], budget: Budget) -> None:
    artefact.write_text(folder / "frontier.txt", table(candidates) + "\n")
    rows = [asdict(found) | {"model": None} for found in candidates]
    artefact.write_text(
        folder / "frontier.json", json.dumps(rows, indent=2) + "\n"
    )
    with artefact.atomic(folder / "frontier.png") as temporary:
        draw(temporary, candidates, frontier(candidates), budget)
