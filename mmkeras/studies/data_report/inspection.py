"""`inspect`: one pass over the samples, then what was seen, in a folder."""

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mmkeras import artefact
from mmkeras.arguments import check_integer
from mmkeras.data import (
    keep_in_memory,
    open_rows,
    write_quarantine,
)
from mmkeras.spec import DataSpec, load_spec
from mmkeras.studies.data_report.counting import count_all
from mmkeras.studies.data_report.findings import (
    check_names,
    findings_of,
    refuse,
)
from mmkeras.studies.data_report.page import render
from mmkeras.studies.data_report.prepared_samples import PreparedSamples
from mmkeras.studies.data_report.raw_samples import RawSamples
from mmkeras.studies.data_report.sample_stream import SampleStream
from mmkeras.studies.data_report.summary import summarize
from mmkeras.studies.data_report.wrong_labels import labels_of_run

JSON, PAGE, FAULTS = "inspection.json", "report.html", "quarantine.csv"


def inspect(
    source: Any,
    spec: DataSpec | str | Path | None = None,
    out: str | Path | None = None,
    root: str | Path | None = None,
    run: str | Path | None = None,
    fail_on: Sequence[str] | str = (),
    seed: int = 0,
    folds: int = 5,
) -> dict[str, Any]:
    """Reads all samples once and reports what is in them, and what is wrong.

    Nothing is changed. Samples come one by one, so that memory grows by some
    hundred bytes a sample. Near-duplicates need the extra `report`; what is
    not looked for is said.

    Args:
        source: The path of a TOML spec, or a folder of `prepare`. Or, with
            `spec`, whatever `prepare` takes: a DataFrame, a table, a folder
            of class folders, arrays.
        spec: The spec of `source`, or the path of its TOML file.
        out: Folder to write `inspection.json` and `report.html` to; nothing
            is written when left out.
        root: Folder of the files that samples name, instead of the spec's.
        run: Folder of `train`: its answers to validation and test show labels
            that are probably wrong, and so do answers to the training split
            from what its towers found, out of fold.
        fail_on: Names of findings that the data must not have; those are the
            keys of `mmkeras.studies.data_report.FINDINGS`.
        seed: Of the samples that are drawn for the gallery.
        folds: Of the training split with `run`, whole groups in each; 0 leaves
            that split out.

    Returns:
        What `inspection.json` holds: counts, numbers, duplicates, and
        "findings", each with "name", "count" and "text".

    Raises:
        ValueError: If the data have one of `fail_on`, once all is written;
            or an argument is wrong.

    Example:

    >>> report = inspect("data_specs/demo.toml", out="build/inspection")
    >>> [one["name"] for one in report["findings"]]
    ['duplicates']
    """
    check_integer("seed", seed, 0)
    check_integer("folds", folds, 0)
    if folds == 1:
        raise ValueError(
            "`folds` must be 0 or at least 2. Received: folds=1; one fold "
            "leaves nothing to learn from"
        )
    names = check_names([fail_on] if isinstance(fail_on, str) else fail_on)
    if "wrong-labels" in names and run is None:
        raise ValueError(
            "`run` must be given where `fail_on` has 'wrong-labels', which "
            "are found by its answers. Received: run=None"
        )
    folder = None if out is None else _check_out(Path(out), source)
    with tempfile.TemporaryDirectory() as scratch:
        samples = _open(source, spec, root, Path(scratch))
        tallies, alike = count_all(samples)
        wrong = None
        if run is not None:
            data = getattr(samples, "folder", None)
            wrong = labels_of_run(Path(run), data, folds)
        report = summarize(samples, tallies, alike, wrong)
        report["findings"] = findings_of(report)
        if folder is not None:
            _write(folder, report, samples, seed)
    refuse(report, names, folder)
    return report


def _open(source: Any, spec: Any, root: Any, scratch: Path) -> SampleStream:
    if spec is None and isinstance(source, str | Path):
        if Path(source).is_dir():
            return PreparedSamples(Path(source))
        source, spec = None, load_spec(source)
    elif isinstance(source, DataSpec):
        source, spec = None, source
    if spec is None:
        raise ValueError(
            "`spec` must be given with a source that is neither a spec nor a "
            f"prepared folder. Received: source={type(source).__name__}"
        )
    spec = spec if isinstance(spec, DataSpec) else load_spec(spec)
    keep = keep_in_memory(scratch / "arrays")
    read, name, root = open_rows(spec, source, root, keep)
    return RawSamples(spec, root, read, name, str(keep.folder), scratch)


def _check_out(out: Path, source: Any) -> Path:
    """Returns the folder; raises ValueError if it holds something else."""
    inputs = [source] if isinstance(source, str | Path) else []
    return artefact.check_out(out, "inspection", inputs)


def _write(
    out: Path, report: dict[str, Any], samples: SampleStream, seed: int
) -> None:
    """Writes JSON, page, the list of all faults and, last, the manifest."""
    page = render(report, samples, seed)
    files = [JSON, PAGE, *([FAULTS] if samples.faults else [])]
    with artefact.replacing(out, "inspection", files) as new:
        artefact.write_json(new / JSON, report)
        artefact.write_text(new / PAGE, page)
        if samples.faults:
            write_quarantine(new / FAULTS, samples.faults)
        artefact.write_manifest(new, "inspection", files)
