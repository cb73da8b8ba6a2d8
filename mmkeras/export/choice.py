"""The second step: which of the files is shipped, by what was measured.

It is measured on validation samples, so that the test split is read once, by
what was chosen.
"""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass

from mmkeras.export.bundle.card import Candidate
from mmkeras.export.conversion.produced_file import ProducedFile
from mmkeras.export.converted_model import ConvertedModel, quantize_apart
from mmkeras.export.export_job import CHOICE
from mmkeras.export.formats import Format
from mmkeras.export.verification.failures import lost_too_much
from mmkeras.export.verification.file_measurement import Measured


@dataclass(frozen=True)
class Choice:
    """What is shipped.

    Args:
        converted: What was made.
        files: The file of each format.
        candidates: What there was to choose from, by recipe; empty where
            there was no choice.
    """

    converted: ConvertedModel
    files: tuple[ProducedFile, ...]
    candidates: Mapping[str, Candidate]


def choose(converted: ConvertedModel) -> Choice:
    """Chooses the file of each format that is shipped.

    Of those that keep every metric, the fastest on this machine; where none
    does, a further recipe is tried, and what loses least is taken.
    """
    files, candidates = [], {}
    for form in converted.job.settings.written:
        converted, file, found = _choose(converted, form)
        files.append(file)
        candidates |= found
    return Choice(converted, tuple(files), candidates)


def _choose(
    converted: ConvertedModel, form: Format
) -> tuple[ConvertedModel, ProducedFile, dict[str, Candidate]]:
    """Returns what was made by then, the chosen file, and the candidates."""
    quantize = converted.job.settings.quantize
    recipes = list(form.recipes_of(quantize, converted.job.writes))
    if not recipes:
        return converted, converted.float_of(form), {}
    if len(recipes) == 1:
        return converted, converted.of(form, recipes[0]), {}
    converted.job.report("step: choosing on the validation split")
    candidates = measure_candidates(converted, form, recipes)
    further = form.fallback.get(quantize)
    if converted.job.writes:
        further = None
    if further and not any(each.passes for each in candidates.values()):
        converted = _make_further(converted, form, further)
        candidates |= measure_candidates(converted, form, [further])
    chosen = best_of(candidates)
    return converted, converted.of(form, chosen), candidates


def _make_further(
    converted: ConvertedModel, form: Format, recipe: str
) -> ConvertedModel:
    """Makes one more file; that it cannot be made stops nothing."""
    try:
        return quantize_apart(converted, form, [recipe])
    except ValueError as error:
        refused = {**converted.refused, recipe: str(error).splitlines()[0]}
        return dataclasses.replace(converted, refused=refused)


def measure_candidates(
    converted: ConvertedModel, form: Format, recipes: list[str]
) -> dict[str, Candidate]:
    """Returns what recipes are worth, on the samples to choose on."""
    files = {recipe: converted.of(form, recipe) for recipe in recipes}
    made = [file for file in files.values() if file is not None]
    found = {}
    if made:
        measured = converted.measure(tuple(made), CHOICE)
        limit = converted.job.settings.max_drop
        found = {file.recipe: rate(measured, file, limit) for file in made}
    refused = {
        recipe: Candidate(refused=converted.refused[recipe])
        for recipe, file in files.items()
        if file is None
    }
    return {recipe: (found | refused)[recipe] for recipe in recipes}


def rate(measured: Measured, file: ProducedFile, max_drop: float) -> Candidate:
    """Returns what a file is worth.

    Args:
        measured: What was measured of it.
        file: The file.
        max_drop: Largest drop of a metric, as a fraction.
    """
    figures = measured.files[file.name]
    return Candidate(
        figures.bytes,
        figures.latency_ms,
        measured.largest_drop(file.name),
        not lost_too_much(measured, file.name, max_drop),
    )


def best_of(candidates: Mapping[str, Candidate]) -> str:
    """Returns the recipe to ship.

    Of those that keep every metric, the fastest; where none does, the one
    that loses least.
    """
    made = {n: c for n, c in candidates.items() if c.refused is None}
    passing = [name for name, each in made.items() if each.passes]
    if passing:
        return min(passing, key=lambda name: made[name].latency_ms)
    return min(made, key=lambda name: made[name].drop)
