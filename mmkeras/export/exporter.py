"""The whole export: samples, conversion, verification, bundle."""

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mmkeras.export import bundle
from mmkeras.export.card import check_drop, make_card, table
from mmkeras.export.process import run_child
from mmkeras.export.samples import calibration, take
from mmkeras.spec import DataSpec

QUANTIZE = ("none", "float16", "dynamic", "int8")
FORMATS = ("tflite", "onnx")


def export(
    model: str | Path,
    spec: DataSpec,
    data: Any,
    out: str | Path,
    quantize: str = "int8",
    formats: Sequence[str] = ("tflite",),
    max_drop: float = 0.01,
    calibration_samples: int = 256,
    test_samples: int = 2000,
    force: bool = False,
    debug: bool = False,
    report: Callable[[str], None] = print,
) -> dict:
    """Converts a trained model, verifies it and writes the bundle.

    Args:
        model: Folder of a run, or a `.keras` file.
        spec: The data spec the model was built from.
        data: What `mmkeras.load_data(folder, augment=False)` returns.
        out: Folder of the bundle; an older bundle there is replaced.
        quantize: "none", "float16", "dynamic" or "int8".
        formats: One or both of "tflite" and "onnx".
        max_drop: Largest drop of a task metric, against Keras, as a fraction.
        calibration_samples: Training samples the int8 ranges are taken from.
        test_samples: Test samples to verify on at most, evenly spread.
        force: Whether to replace an `out` that is not a bundle.
        debug: Whether to show what the converters say.
        report: Takes each line of the report.

    Returns:
        The card: what was measured.

    Raises:
        ValueError: If the model cannot be converted, or a metric dropped by
            more than `max_drop`; the card then lies in `<out>.failed`.
    """
    _check_options(quantize, formats, max_drop)
    out = Path(out)
    bundle.check_target(out, force)
    with bundle.staging(out) as folder:
        job = {
            "model": str(Path(model).absolute()),
            "folder": str(folder),
            "quantize": quantize,
            "formats": list(formats),
            "optional": list(spec.optional),
            "debug": debug,
        }
        ranges = calibration(data.train, spec, calibration_samples)
        every = max(1, data.counts["test"] // test_samples)
        test = take(data.test, spec, test_samples, every)
        with bundle.writing(out):
            np.savez(folder / "calibration.npz", **ranges)
            np.savez(folder / "test.npz", **test[0])
        run_child(job, report)

        report("step: verifying on the test split")
        card = make_card(spec, job, test, max_drop)
        card["samples"] |= {
            "of": int(data.counts["test"]),
            "calibration": len(next(iter(ranges.values()))),
        }
        report(table(card))
        _write(folder / "bundle", spec, data, job, card, out)
    return card


def _write(
    folder: Path, spec: DataSpec, data: Any, job: dict, card: dict, out: Path
) -> None:
    """Puts the bundle together; one that lost too much gets no manifest."""
    stem = "float" if job["quantize"] == "none" else job["quantize"]
    shipped = {
        name: folder.with_name(f"{stem}.{name}") for name in job["formats"]
    }
    with bundle.writing(out):
        folder.mkdir()
        bundle.fill(folder, spec, data, shipped, card)
        if card["failures"]:
            out = out.with_name(f"{out.name}.failed")
            shutil.rmtree(out, ignore_errors=True)
        else:
            bundle.seal(folder, spec, job["formats"], job["quantize"])
        bundle.put(folder, out)
    check_drop(card, out / bundle.CARD)


def _check_options(
    quantize: str, formats: Sequence[str], max_drop: float
) -> None:
    if quantize not in QUANTIZE:
        raise ValueError(
            f"`quantize` must be one of {', '.join(QUANTIZE)}. "
            f"Received: {quantize!r}"
        )
    if not formats or set(formats) - set(FORMATS):
        raise ValueError(
            f"`formats` must be one or more of {', '.join(FORMATS)}. "
            f"Received: {list(formats)}"
        )
    if not 0 <= max_drop <= 1:
        raise ValueError(
            "`max_drop` must be a fraction between 0 and 1. "
            f"Received: {max_drop}"
        )
