"""Proposals of a model for samples that have no label, as a sheet."""

import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from mmkeras import artefact
from mmkeras.arguments import check_choice, check_positive
from mmkeras.data import MEMORY_MARK, load_data
from mmkeras.model import load_model
from mmkeras.runs import open_data
from mmkeras.spec import DataSpec
from mmkeras.studies.label.acquisition import (
    STRATEGIES,
    judge,
)
from mmkeras.studies.label.pool import Pool, check_fits, pool_of
from mmkeras.studies.label.predictions import predict_pool
from mmkeras.studies.label.sheet import write_sheet


def propose_labels(
    run: str | Path,
    out: str | Path,
    source: Any = None,
    split: str = "train",
    strategy: str = "entropy",
    limit: int | None = None,
    everything: bool = False,
) -> list[dict[str, Any]]:
    """Writes what a run proposes as labels, the most informative first.

    Args:
        run: Folder of `train`.
        out: CSV to write; it must not exist. See `write_sheet`.
        source: A TOML spec with new samples, whose files are read as they
            are, or a prepared folder; or what `prepare` takes with a spec: a
            DataFrame, a table, a folder of class folders, arrays, in columns
            of the run's spec. The run's own data by default.
        split: Of a prepared folder: "train", "validation" or "test".
        strategy: What makes a sample informative; see `judge`.
        limit: Rows at most.
        everything: Whether samples that have a label are listed, too.
            "doubt" lists those alone.

    Returns:
        The rows.

    Raises:
        ValueError: If an argument is wrong, the samples are not such as the
            model reads, or there is nothing to propose.

    Example:

    >>> rows = propose_labels("runs/first", "labels.csv", limit=200)
    """
    out = Path(out)
    _check(out, strategy, limit)
    with artefact.new_file(out) as temporary:
        rows = _propose(run, source, split, strategy, limit, everything)
        write_sheet(temporary, rows)
    return rows


def _propose(
    run: str | Path,
    source: Any,
    split: str,
    strategy: str,
    limit: int | None,
    everything: bool,
) -> list[dict[str, Any]]:
    manifest = artefact.read_manifest(run, "run")
    with tempfile.TemporaryDirectory(prefix="mmkeras-") as scratch:
        pool = pool_of(*_source(source, manifest), split, Path(scratch))
        rows = _proposals(run, pool, strategy, everything)[:limit]
    if not rows:
        raise ValueError(
            "There must be samples to propose labels for. Received: samples "
            "that all have one; `--all` lists those"
            if strategy != "doubt"
            else "`strategy` 'doubt' needs samples with labels. Received: none"
        )
    return rows


def _proposals(
    run: str | Path, pool: Pool, strategy: str, everything: bool
) -> list[dict[str, Any]]:
    """Returns the rows of all targets, the most informative first."""
    model = load_model(run)
    wanted = _targets(pool)
    places, outputs, unimodal, present = predict_pool(model, pool)
    if not len(places):
        raise ValueError(
            "There must be samples that can be read, to propose labels for. "
            "Received: none; `mmkeras prepare` tells what is wrong with each"
        )
    if strategy == "disagreement" and len(unimodal) < 2:
        raise ValueError(
            "`strategy` 'disagreement' needs two modalities that can be used "
            "alone, so all others must be optional. Received: "
            f"{', '.join(unimodal) or 'none'}"
        )
    rows: list[dict[str, Any]] = []
    for name in wanted:
        rows += _rows(
            pool, name, strategy, everything, places,
            outputs[name],
            {m: found[name] for m, found in unimodal.items()},
            present,
        )  # fmt: skip
    rows.sort(key=lambda row: (-row["informativeness"], row["id"]))
    return rows


def _source(source: Any, manifest: dict) -> tuple[Any, Any]:
    """Returns what to read samples from, if any, and the data."""
    if isinstance(source, str):
        source = Path(source)
    is_path = isinstance(source, Path)
    if not is_path or not (source / artefact.MANIFEST).is_file():
        return source, open_data(manifest, augment=False)
    digest = artefact.sha256_of(Path(source) / artefact.MANIFEST)
    if digest == manifest["data_sha256"]:
        return None, open_data(manifest, Path(source), augment=False)
    data = load_data(source, augment=False)
    check_fits(data.spec, DataSpec.from_dict(manifest["spec"]))
    learned = sorted(data.vocabularies)
    if learned:
        raise ValueError(
            f"`{source}` must have the vocabulary of the run's data, for "
            f"`{learned[0]}`. Received: a folder prepared by itself; give the "
            "TOML spec of the new samples instead"
        )
    return None, data


def _targets(pool: Pool) -> list[str]:
    """Returns the targets that have classes to propose."""
    targets = pool.spec.targets
    wanted = [name for name in sorted(targets) if targets[name].proposes]
    if not wanted:
        kinds = sorted(target.kind for target in targets.values())
        raise ValueError(
            "A proposal needs a target with classes. Received: targets of "
            f"kind {', '.join(kinds)}"
        )
    return wanted


def _check(out: Path, strategy: str, limit: int | None) -> None:
    check_choice("strategy", strategy, STRATEGIES)
    if limit is not None:
        check_positive(limit=limit)
    if out.exists():
        raise ValueError(
            f"`{out}` must not exist: it may have been filled in. "
            "Received: a file that is there"
        )


def _rows(
    pool, name, strategy, everything, places, outputs, unimodal, present
) -> list[dict[str, Any]]:
    """Returns the rows of one target."""
    target = pool.spec.targets[name]
    weights = pool.weights[name][places]
    has = weights.reshape(len(weights), -1).any(axis=1)
    doubt = strategy == "doubt"
    listed = np.flatnonzero(has if doubt else has <= everything)
    if not len(listed):
        return []
    values = pool.values[name][places[listed]].reshape(len(listed), -1)
    alone = {
        m: target.probabilities(found[listed]) for m, found in unimodal.items()
    }
    here = {m: present[m][listed] for m in alone}
    found = judge(
        strategy,
        target.probabilities(outputs[listed]),
        np.stack(list(alone.values())) if alone else None,
        np.stack(list(here.values())) if here else None,
        values,
    )
    rows = []
    for index, row in enumerate(listed):
        place = places[row]
        entry = {"id": pool.ids[place], "target": name}
        # The sample's cells come before the label. `entry` twice: a modality
        # may have the name of a column, which must keep its value.
        entry |= _shown(pool, place) | entry | _ranked(target, found, index)
        for modality, probabilities in alone.items():
            vote, sure = "", ""
            if here[modality][index]:
                vote = target.cell_of(probabilities[index].argmax(axis=-1))
                sure = probabilities[index].max(axis=-1).min()
            entry[f"{modality}_vote"] = vote
            entry[f"{modality}_confidence"] = sure
        known = target.cell_of(values[index].astype(int)) if has[row] else ""
        rows.append(entry | {"known": known})
    return rows


def _ranked(target: Any, found: dict, index: int) -> dict[str, Any]:
    """Returns a row's cells that `judge` knows, and the empty label."""
    first, second = found["first"][index], found["second"][index]
    return {
        "label": "",
        "proposed": target.cell_of(first),
        "confidence": found["confidence"][index],
        # Of several decisions each has a second answer of its own.
        "second": "" if len(second) > 1 else target.cell_of(second),
        "second_confidence": found["second_confidence"][index],
        "margin": found["margin"][index],
        "informativeness": found["informativeness"][index],
    }


def _shown(pool: Pool, place: int) -> dict[str, str]:
    """Returns the cells that name a sample's files, or are its text."""
    found = {}
    for name, modality in sorted(pool.spec.modalities.items()):
        cells, column = pool.cells[place], getattr(modality, "column", None)
        if column in cells and not cells[column].startswith(MEMORY_MARK):
            is_file = cells[column] in modality.source_files(cells)
            key = f"{name}_file" if is_file else name
            found[key] = cells[column][:500]
    return found
