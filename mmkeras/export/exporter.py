"""The whole export: make files, choose, verify, write the bundle."""

import functools
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from mmkeras import artefact
from mmkeras.escaping import say
from mmkeras.export import bundle
from mmkeras.export.bundle.card import Card
from mmkeras.export.bundle.card_table import card_table, check_card
from mmkeras.export.bundle.device_profiles import Profile
from mmkeras.export.choice import Choice, choose
from mmkeras.export.converted_model import convert_model
from mmkeras.export.export_job import CHOICE, TEST, ExportJob
from mmkeras.export.export_settings import Settings
from mmkeras.export.verdict import shipped_files, verify
from mmkeras.export.verification.sampling import Samples, calibration, take
from mmkeras.export.worker.process import Children, run_child
from mmkeras.spec import DataSpec

# Labelled samples that something is chosen on.
CHOICE_SAMPLES = 512


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
    report: Callable[[str], None] = say,
) -> Card:
    """Converts a trained model, verifies it and writes the bundle.

    "int8" makes two TFLite files, one with the heavy operators in int8 and
    one with all of them, and ships the faster one of those that keep the
    metrics; if neither does, a third one, whose worst layers stay float. What
    is shipped is chosen on the validation split, and verified on the test
    split.

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
        force: Whether to replace an `out` that mmkeras wrote, but no bundle.
            What is not ours stays, and a foreign folder is refused.
        debug: Whether to show what the converters say.
        report: Takes each line of the report.

    Returns:
        The card: what was measured.

    Raises:
        ValueError: If the model cannot be converted, a float file departs
            from Keras, or a metric dropped by more than `max_drop`; the card
            then lies in `<out>.failed`.
    """
    settings = Settings(
        quantize, tuple(formats), max_drop, tuple(float_layers), target
    )
    if spec.written:
        settings.check_texts(spec.written[0])
    out = Path(out)
    kinds = bundle.check_target(out, force)
    if any(each.has_runner for each in settings.written):
        bundle.code(spec)  # a kind without a file for the device ends it here
    with bundle.staging(out, kinds) as folder, Children() as children:
        job = ExportJob(
            model=Path(model).absolute(),
            spec=spec,
            settings=settings,
            folder=folder,
            calibration=calibration(data.train, spec, calibration_samples),
            samples=_samples(spec, data, settings, test_samples),
            test_split=int(data.counts["test"]),
            worker=functools.partial(
                run_child, report=report, debug=debug, children=children
            ),
            report=report,
            reference=reference and Path(reference).absolute(),
        )
        with artefact.writing(out, "the bundle"):
            choice = choose(convert_model(job))
            card = verify(choice)
        for line in card_table(card).split("\n"):
            report(line)
        _write(data, choice, card, out)
    return card


def _samples(
    spec: DataSpec, data: Any, settings: Settings, test_samples: int
) -> dict[str, Samples]:
    """Returns the samples to verify on, and, if need be, to choose on."""
    known = getattr(data, "groups", lambda split: None)
    total = data.counts["test"]
    found = {TEST: take(data.test, spec, test_samples, total, known("test"))}
    if settings.needs_labels(bool(spec.written)):
        total = data.counts.get("validation")
        found[CHOICE] = (
            take(data.validation, spec, CHOICE_SAMPLES, total)
            if total
            # Where there is none, of training, which has no fixed order.
            else take(data.train, spec, CHOICE_SAMPLES)
        )
    return found


def _write(data: Any, choice: Choice, card: Card, out: Path) -> None:
    """Puts the bundle together; one that lost too much gets no manifest."""
    with artefact.writing(out, "the bundle"):
        folder = artefact.open_stage(out, "bundle", [])
        try:
            _fill(folder, data, choice, card)
            if card.failures:
                out = bundle.put_failed(folder, out)
            else:
                bundle.put(out)
        finally:
            # Whole and not yet in its place, it waits for the next export.
            if not artefact.is_moving(out):
                artefact.clear(folder)
    check_card(card, out / bundle.CARD)


def _fill(folder: Path, data: Any, choice: Choice, card: Card) -> None:
    job, shipped = choice.converted.job, shipped_files(choice)
    spec, settings = job.spec, job.settings
    paths = {file.format: file.path for file in shipped}
    bundle.fill(folder, spec, data, paths, card.to_dict())
    for form in settings.added:
        (file,) = (f for f in shipped if f.format == form.made_of)
        form.write(file, folder, bundle.labels(spec), spec.name)
    if not card.failures:
        bundle.seal(
            folder, spec, list(paths), settings.quantize,
            card.to_dict()["streams"],
        )  # fmt: skip
