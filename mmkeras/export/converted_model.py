"""The first step: every file that may be shipped, and what Keras answers."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmkeras.export.conversion.produced_file import ProducedFile
from mmkeras.export.formats import Format
from mmkeras.export.settings import Settings
from mmkeras.export.verification.comparison import compare_files
from mmkeras.export.verification.measurement import Measured
from mmkeras.export.verification.sampling import Arrays, Samples
from mmkeras.export.worker.messages import (
    Answers,
    Convert,
    LabelledFiles,
    Quantize,
    load,
    save,
)
from mmkeras.spec import DataSpec

TEST, CHOICE = "test", "choice"


@dataclass(frozen=True)
class Order:
    """What is to be exported, and with what.

    Args:
        model: Folder of a run, or a `.keras` file.
        spec: The data spec.
        settings: What was asked for.
        folder: Where files are made.
        calibration: Inputs that int8 ranges are taken from.
        samples: By purpose: `TEST`, and `CHOICE` where something is chosen.
        test_split: Samples in the whole test split.
        worker: Does a request in a process of its own; returns its result.
        report: Takes each line of the report.
        reference: A larger model that this one was made from, if any.
    """

    model: Path
    spec: DataSpec
    settings: Settings
    folder: Path
    calibration: Arrays
    samples: Mapping[str, Samples]
    test_split: int
    worker: Callable[[Any], Any]
    report: Callable[[str], None]
    reference: Path | None = None


@dataclass(frozen=True)
class Production:
    """What was made.

    Args:
        order: What was asked for.
        files: The float file of each format, and all smaller ones.
        refused: Why there is no file of a recipe.
        answers: What Keras answers, by purpose of the samples.
        calibration: `.npz` file of the calibration samples.
    """

    order: Order
    files: tuple[ProducedFile, ...]
    refused: Mapping[str, str]
    answers: Mapping[str, Answers]
    calibration: Path

    def of(self, form: Format, recipe: str) -> ProducedFile | None:
        """Returns the file of a format and recipe; None without one."""
        for file in self.files:
            if (file.format, file.recipe) == (form.name, recipe):
                return file
        return None

    def float_of(self, form: Format) -> ProducedFile:
        """Returns the float file of a format."""
        return next(
            file
            for file in self.files
            if file.format == form.name and file.is_float
        )

    def measure(self, files: tuple[ProducedFile, ...], on: str) -> Measured:
        """Compares files with Keras on the samples of a purpose."""
        answers = self.answers[on]
        original = _arrays(answers.original) if answers.original else None
        return compare_files(
            files,
            self.order.spec,
            self.order.samples[on],
            _arrays(answers.keras),
            original,
        )


def _arrays(files: Mapping[str, Path]) -> dict[str, Arrays]:
    return {scenario: load(path) for scenario, path in files.items()}


def make(order: Order) -> Production:
    """Converts a model to each format, and makes the smaller files.

    Raises:
        ValueError: If it cannot be converted, or no recipe works.
    """
    folder, settings = order.folder, order.settings
    calibration = save(folder / "calibration.npz", order.calibration)
    converted = order.worker(
        Convert(
            model=order.model,
            folder=folder,
            samples=calibration,
            float_layers=settings.float_layers,
            formats=tuple(each.name for each in settings.written),
            quantize=settings.quantize,
            answer={
                name: save(folder / f"{name}.npz", samples.x)
                for name, samples in order.samples.items()
            },
            optional=order.spec.optional,
            reference=order.reference,
        )
    )
    made = Production(
        order, converted.files, {}, converted.answers, calibration
    )
    for form in settings.written:
        recipes = form.recipes[settings.quantize]
        made = make_apart(made, form, [r for r in recipes if form.apart(r)])
    return made


def make_apart(
    production: Production, form: Format, recipes: list[str]
) -> Production:
    """Makes smaller files of a float file, each in a process of its own.

    Where there is a choice, a recipe that is refused or crashes is left out.

    Raises:
        ValueError: If none is left.
    """
    order = production.order
    files, refused = list(production.files), dict(production.refused)
    for recipe in recipes:
        try:
            files.append(order.worker(_request(production, form, recipe)))
        except ValueError as error:
            if len(files) == len(production.files) and recipe == recipes[-1]:
                raise
            refused[recipe] = str(error).splitlines()[0]
            order.report(f"left out: {recipe}: {refused[recipe]}")
    return Production(
        order, tuple(files), refused, production.answers,
        production.calibration,
    )  # fmt: skip


def _request(production: Production, form: Format, recipe: str) -> Quantize:
    order = production.order
    return Quantize(
        model=order.model,
        folder=order.folder,
        samples=production.calibration,
        float_layers=order.settings.float_layers,
        source=production.float_of(form),
        recipe=recipe,
        labelled=_labelled(order) if recipe in form.labelled else None,
    )


def _labelled(order: Order) -> LabelledFiles:
    samples, folder = order.samples[CHOICE], order.folder
    return LabelledFiles(
        x=save(folder / "labelled_x.npz", samples.x),
        labels=save(folder / "labelled_labels.npz", samples.labels),
        weights=save(folder / "labelled_weights.npz", samples.weights),
        spec=order.spec.to_dict(),
        # Half of it, since the test samples are others.
        limit=order.settings.max_drop / 2,
    )
