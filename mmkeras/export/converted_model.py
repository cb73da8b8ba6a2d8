"""The first step: every file that may be shipped, and what Keras answers."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from mmkeras.export.conversion.produced_file import ProducedFile
from mmkeras.export.export_job import CHOICE, ExportJob
from mmkeras.export.formats import Format
from mmkeras.export.verification.comparison import compare_files
from mmkeras.export.verification.file_measurement import Measured
from mmkeras.export.verification.sampling import Arrays
from mmkeras.export.worker.messages import (
    Answers,
    Convert,
    LabelledFiles,
    Quantize,
    load,
    save,
)


@dataclass(frozen=True)
class ConvertedModel:
    """What was made.

    Args:
        job: What was asked for.
        files: The float file of each format, and all smaller ones.
        refused: Why there is no file of a recipe.
        answers: What Keras answers, by purpose of the samples.
        calibration: `.npz` file of the calibration samples.
    """

    job: ExportJob
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
            self.job.spec,
            self.job.samples[on],
            _arrays(answers.keras),
            original,
        )


def _arrays(files: Mapping[str, Path]) -> dict[str, Arrays]:
    return {scenario: load(path) for scenario, path in files.items()}


def convert_model(job: ExportJob) -> ConvertedModel:
    """Converts a model to each format, and makes the smaller files.

    Raises:
        ValueError: If it cannot be converted, or no recipe works.
    """
    folder, settings = job.folder, job.settings
    calibration = save(folder / "calibration.npz", job.calibration)
    found = job.worker(
        Convert(
            model=job.model,
            folder=folder,
            samples=calibration,
            float_layers=settings.float_layers,
            formats=tuple(each.name for each in settings.written),
            quantize=settings.quantize,
            answer={
                name: save(folder / f"{name}.npz", samples.x)
                for name, samples in job.samples.items()
            },
            optional=job.spec.optional,
            reference=job.reference,
        )
    )
    converted = ConvertedModel(job, found.files, {}, found.answers, calibration)
    for form in settings.written:
        recipes = form.recipes_of(settings.quantize, job.writes)
        apart = [each for each in recipes if not form.needs_model(each)]
        converted = quantize_apart(converted, form, apart)
    return converted


def quantize_apart(
    converted: ConvertedModel, form: Format, recipes: list[str]
) -> ConvertedModel:
    """Makes smaller files of a float file, in another process.

    Where there is a choice, a recipe that is refused or crashes is left out.

    Raises:
        ValueError: If none is left.
    """
    job = converted.job
    files, refused = list(converted.files), dict(converted.refused)
    for recipe in recipes:
        try:
            files.append(job.worker(_request(converted, form, recipe)))
        except ValueError as error:
            if len(files) == len(converted.files) and recipe == recipes[-1]:
                raise
            refused[recipe] = str(error).splitlines()[0]
            job.report(f"left out: {recipe}: {refused[recipe]}")
    return ConvertedModel(
        job, tuple(files), refused, converted.answers,
        converted.calibration,
    )  # fmt: skip


def _request(converted: ConvertedModel, form: Format, recipe: str) -> Quantize:
    job = converted.job
    return Quantize(
        model=job.model,
        folder=job.folder,
        samples=converted.calibration,
        float_layers=job.settings.float_layers,
        source=converted.float_of(form),
        recipe=recipe,
        labelled=_labelled(job) if recipe in form.needs_labels else None,
    )


def _labelled(job: ExportJob) -> LabelledFiles:
    samples, folder = job.samples[CHOICE], job.folder
    return LabelledFiles(
        x=save(folder / "labelled_x.npz", samples.x),
        labels=save(folder / "labelled_labels.npz", samples.labels),
        weights=save(folder / "labelled_weights.npz", samples.weights),
        spec=job.spec.to_dict(),
        # Half of it, since the test samples are others.
        limit=job.settings.max_drop / 2,
    )
