"""The whole export: samples, conversion, verification, bundle."""

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mmkeras import artefact
from mmkeras.arguments import check_choice
from mmkeras.export import bundle
from mmkeras.export.bundle import card as cards
from mmkeras.export.bundle.c_array import write_c_array
from mmkeras.export.bundle.device_profiles import Profile, load_profile, misfits
from mmkeras.export.process import run_child
from mmkeras.export.recipes import choice
from mmkeras.export.verification.sampling import calibration, take
from mmkeras.export.verification.verify import verify
from mmkeras.spec import DataSpec

QUANTIZE = ("none", "float16", "dynamic", *choice.RECIPES)
FORMATS = ("tflite", "onnx", "c-array")


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
    reference: str | Path | None = None,
    target: Profile | None = None,
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
            "int8-heavy", "int8-full", "mixed", "int16x8" (activations of 16
            bits) or "int4" (weights of 4 bits).
        formats: Some of "tflite", "onnx" and "c-array"; the last adds
            `model.h` and `model.c`, and asks for operators that a
            microcontroller knows.
        max_drop: Largest drop of a task metric, against Keras, as a fraction.
        calibration_samples: Training samples the int8 ranges are taken from.
        test_samples: Test samples to verify on at most, evenly spread.
        float_layers: Parts of names of layers that compute in float.
        reference: A larger model that the metrics must not drop against, if
            `model` was made from it: folder of a run, or a `.keras` file.
        target: The device that the TFLite file has to fit.
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
    if "c-array" in formats:
        target = target or load_profile("microcontroller")
        formats = list(dict.fromkeys(["tflite", *formats]))
    _check_target(target, quantize, formats)
    out = Path(out)
    bundle.check_target(out, force)
    if "tflite" in formats:
        bundle.code(spec)  # a kind without a file for the device ends it here
    with bundle.staging(out) as folder:
        job = {
            "model": str(Path(model).absolute()),
            "folder": str(folder),
            "quantize": quantize,
            "formats": [name for name in formats if name != "c-array"],
            "optional": list(spec.optional),
            "targets": {name: t.kind for name, t in spec.targets.items()},
            "max_drop": max_drop,
            "float_layers": list(float_layers),
            "reference": reference and str(Path(reference).absolute()),
            "debug": debug,
        }
        ranges = calibration(data.train, spec, calibration_samples)
        every = max(1, data.counts["test"] // test_samples)
        test = take(data.test, spec, test_samples, every)
        with artefact.writing(out, "the bundle"):
            np.savez(folder / "calibration.npz", **ranges)
            np.savez(folder / "test.npz", **test[0])
        run_child(job, report)
        with artefact.writing(out, "the bundle"):
            card = verify(spec, data, job, test, run_child, report)
        card["samples"] = {
            "test": len(next(iter(test[0].values()))),
            "of": int(data.counts["test"]),
            "calibration": len(next(iter(ranges.values()))),
        }
        if target is not None and "tflite" in formats:
            file = folder / f"{_stem(quantize)}.tflite"
            card["target"] = target.name
            card["failures"] += misfits(file, target)
        report(cards.table(card))
        _write(
            folder / "bundle", spec, data, job, card, out,
            as_c="c-array" in formats,
        )  # fmt: skip
    return card


def _write(
    folder: Path,
    spec: DataSpec,
    data: Any,
    job: dict,
    card: dict,
    out: Path,
    as_c: bool,
) -> None:
    """Puts the bundle together; one that lost too much gets no manifest."""
    stem = _stem(job["quantize"])
    shipped = {
        name: folder.with_name(f"{stem}.{name}") for name in job["formats"]
    }
    with artefact.writing(out, "the bundle"):
        folder.mkdir()
        bundle.fill(folder, spec, data, shipped, card)
        if as_c:
            classes = bundle.labels(spec)
            write_c_array(
                shipped["tflite"], folder, "model", classes, spec.name
            )
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


def _stem(quantize: str) -> str:
    return "float" if quantize == "none" else quantize


def _check_target(
    target: Profile | None, quantize: str, formats: Sequence[str]
) -> None:
    if target is None:
        return
    if target.quantize is not None and quantize not in target.quantize:
        raise ValueError(
            f"`quantize` must be one of {', '.join(target.quantize)} for "
            f"{target.name}. Received: {quantize!r}"
        )
    if set(formats) - set(target.formats):
        raise ValueError(
            f"`formats` must be among {', '.join(target.formats)} for "
            f"{target.name}. Received: {list(formats)}"
        )


def _check_options(
    quantize: str, formats: Sequence[str], max_drop: float
) -> None:
    check_choice("quantize", quantize, QUANTIZE)
    if not formats or set(formats) - set(FORMATS):
        raise ValueError(
            f"`formats` must be one or more of {', '.join(FORMATS)}. "
            f"Received: {list(formats)}"
        )
    if quantize in ("int16x8", "int4") and "onnx" in formats:
        raise ValueError(
            f"`formats` must be tflite for `quantize` {quantize}, which no "
            f"ONNX runtime has. Received: {list(formats)}"
        )
    if not 0 <= max_drop <= 1:
        raise ValueError(
            "`max_drop` must be a fraction between 0 and 1. "
            f"Received: {max_drop}"
        )
