"""The whole export: samples, conversion, verification, bundle."""

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mmkeras.export import bundle, recipes
from mmkeras.export import card as cards
from mmkeras.export.process import run_child
from mmkeras.export.samples import calibration, take
from mmkeras.export.verify import verify
from mmkeras.spec import DataSpec

QUANTIZE = ("none", "float16", "dynamic", *recipes.RECIPES)
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
    float_layers: Sequence[str] = (),
    force: bool = False,
    debug: bool = False,
    report: Callable[[str], None] = print,
) -> dict:
    """Converts a trained model, verifies it and writes the bundle.

    "int8" makes two TFLite files, one with the heavy operators in int8 and
    one with all of them, and ships the faster one of those that keep the
    metrics; if neither does, a third one, whose worst layers stay float.

    Args:
        model: Folder of a run, or a `.keras` file.
        spec: The data spec the model was built from.
        data: What `mmkeras.load_data(folder, augment=False)` returns.
        out: Folder of the bundle; an older bundle there is replaced.
        quantize: "none", "float16", "dynamic", "int8", or one of its recipes:
            "int8-heavy", "int8-full", "mixed", "int16x8".
        formats: One or both of "tflite" and "onnx".
        max_drop: Largest drop of a task metric, against Keras, as a fraction.
        calibration_samples: Training samples the int8 ranges are taken from.
        test_samples: Test samples to verify on at most, evenly spread.
        float_layers: Parts of names of layers that compute in float.
        force: Whether to replace an `out` that is not a bundle.
        debug: Whether to show what the converters say.
        report: Takes each line of the report.

    Returns:
        The card: what was measured.

    Raises:
        ValueError: If the model cannot be converted, a float file departs
            from Keras, or a metric dropped by more than `max_drop`; the card
            then lies in `<out>.failed`.
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
            "targets": {name: t.kind for name, t in spec.targets.items()},
            "max_drop": max_drop,
            "float_layers": list(float_layers),
            "debug": debug,
        }
        ranges = calibration(data.train, spec, calibration_samples)
        every = max(1, data.counts["test"] // test_samples)
        test = take(data.test, spec, test_samples, every)
        with bundle.writing(out):
            np.savez(folder / "calibration.npz", **ranges)
            np.savez(folder / "test.npz", **test[0])
        run_child(job, report)
        card = verify(spec, data, job, test, run_child, report)
        card["samples"] = {
            "test": len(next(iter(test[0].values()))),
            "of": int(data.counts["test"]),
            "calibration": len(next(iter(ranges.values()))),
        }
        report(cards.table(card))
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
            bundle.seal(
                folder,
                spec,
                job["formats"],
                job["quantize"],
                card.get("streams"),
            )
        bundle.put(folder, out)
    cards.check_drop(card, out / bundle.CARD)


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
    if quantize == "int16x8" and "onnx" in formats:
        raise ValueError(
            "`formats` must be tflite for `quantize` int16x8, which no ONNX "
            f"runtime has. Received: {list(formats)}"
        )
    if not 0 <= max_drop <= 1:
        raise ValueError(
            "`max_drop` must be a fraction between 0 and 1. "
            f"Received: {max_drop}"
        )
