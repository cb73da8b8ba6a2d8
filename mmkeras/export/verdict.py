"""The third step: the chosen files against Keras, on the test split.

Nothing here can be switched off; `max_drop` alone can be widened.
"""

import dataclasses
import platform
from collections.abc import Mapping

from mmkeras.export.bundle.card import (
    Advice,
    Card,
    LayerError,
    Ratio,
    SampleCounts,
)
from mmkeras.export.bundle.device_profiles import misfits
from mmkeras.export.choice import Choice
from mmkeras.export.conversion.operators import count_operators
from mmkeras.export.conversion.produced_file import ProducedFile
from mmkeras.export.conversion.stepping import StreamFigures, compare_streams
from mmkeras.export.converted_model import ConvertedModel
from mmkeras.export.export_job import TEST, ExportJob
from mmkeras.export.formats import FORMATS
from mmkeras.export.recipes.layer_errors import worth_floating
from mmkeras.export.verification.comparison import FLOAT_TOLERANCE
from mmkeras.export.verification.failures import (
    departure_sentence,
    failures,
    float_departures,
)
from mmkeras.export.verification.file_measurement import Measured
from mmkeras.export.verification.sampling import scenarios
from mmkeras.export.worker.messages import (
    FindDeparture,
    LayerErrors,
    MeasureLayers,
    save,
)


def verify(choice: Choice) -> Card:
    """Returns the card: what was measured, and what is wrong."""
    made = choice.converted
    job, settings = made.job, made.job.settings
    job.report("step: verifying on the test split")
    shipped = shipped_files(choice)
    floats = [made.float_of(form) for form in settings.written]
    files = tuple({file.name: file for file in (*floats, *shipped)}.values())
    measured = made.measure(files, TEST)
    card = Card(
        measured,
        settings.max_drop,
        SampleCounts(
            job.samples[TEST].size,
            job.test_split,
            len(next(iter(job.calibration.values()))),
        ),
        job.spec.name,
        job.spec.sha256,
        settings.quantize,
        machine=f"{platform.system()} {platform.machine()}",
        recipes=choice.candidates,
        ratios=_ratios(measured, shipped),
    )
    card = _with_tflite(card, choice, shipped)
    wrong = [
        *_stream_failures(card.streams),
        *_departures(made, measured),
        *failures(measured, [file.name for file in files], settings.max_drop),
        *_misfits(job, shipped),
    ]
    target = settings.profile.name if settings.profile else None
    return dataclasses.replace(card, failures=tuple(wrong), target=target)


def shipped_files(choice: Choice) -> tuple[ProducedFile, ...]:
    """Returns the files under the name of what was asked for."""
    quantize = choice.converted.job.settings.quantize
    return tuple(
        file if file.is_float else dataclasses.replace(file, recipe=quantize)
        for file in choice.files
    )


def _ratios(
    measured: Measured, shipped: tuple[ProducedFile, ...]
) -> dict[str, Ratio]:
    """Returns each shipped file against the float one."""
    found = {}
    for file in shipped:
        if not file.is_float:
            one = measured.files[file.name]
            other = measured.files[measured.float_of(file.name)]
            found[file.format] = Ratio(
                round(one.bytes / other.bytes, 4),
                round(other.latency_ms / one.latency_ms, 3),
            )
    return found


def _with_tflite(
    card: Card, choice: Choice, shipped: tuple[ProducedFile, ...]
) -> Card:
    """Adds what only a TFLite file tells: operators, streams, layers."""
    made = choice.converted
    for chosen, file in zip(choice.files, shipped, strict=True):
        form = FORMATS[file.format]
        if not form.inspectable:
            continue
        source = made.float_of(form)
        x = made.job.samples[TEST].x
        towers = source.notes.streams
        card = dataclasses.replace(
            card,
            operators=count_operators(file.path),
            streams=_streams(source, file, x),
            not_streamed={k: why for k, why in towers.items() if why},
        )
        if not (chosen.is_float or form.needs_model(chosen.recipe)):
            card = _with_layers(card, made, source, chosen)
    return card


def _streams(
    source: ProducedFile, file: ProducedFile, x: Mapping
) -> dict[str, StreamFigures]:
    """Compares streams with whole sequences, in both files."""
    found = compare_streams(source.path, x)
    if file.path == source.path:
        return found
    shipped = compare_streams(file.path, x)
    return {
        name: dataclasses.replace(
            each, shipped_difference=shipped[name].largest_difference
        )
        for name, each in found.items()
    }


def _stream_failures(streams: Mapping[str, StreamFigures]) -> list[str]:
    return [
        f"A stream of `{name}` must end with the answer of the whole within "
        f"{FLOAT_TOLERANCE:g}. Received: a difference of "
        f"{each.largest_difference:.2g}"
        for name, each in streams.items()
        if each.largest_difference > FLOAT_TOLERANCE
    ]


def _with_layers(
    card: Card, made: ConvertedModel, source: ProducedFile, chosen: ProducedFile
) -> Card:
    """Adds the error of each layer; an advice that fails stops nothing."""
    job, kept = made.job, chosen.notes.float_layers
    card = dataclasses.replace(card, recipe=chosen.recipe, float_layers=kept)
    request = MeasureLayers(
        model=job.model,
        folder=job.folder,
        samples=made.calibration,
        float_layers=job.settings.float_layers,
        source=source,
        file=chosen,
    )
    try:
        errors = job.worker(request)
    except ValueError as error:
        failed = Advice(failed=str(error).splitlines()[0])
        return dataclasses.replace(card, advice=failed)
    layers = source.notes.layers
    return dataclasses.replace(
        card,
        layers=by_layer(errors, layers),
        advice=advise(errors, layers, kept),
    )


def by_layer(
    errors: LayerErrors, layers: Mapping[str, str]
) -> dict[str, LayerError]:
    """Returns the errors by name of the layer.

    Of several operators of one layer the last one in the file counts; alone,
    the one that hurts most.

    Args:
        errors: By scope.
        layers: Names of layers by scope.
    """
    whole = {layers.get(s, s): round(db, 1) for s, db in errors.whole.items()}
    own: dict[str, float] = {}
    for scope, db in errors.own.items():
        name = layers.get(scope, scope)
        own[name] = min(round(db, 1), own.get(name, round(db, 1)))
    return {
        name: LayerError(whole.get(name), own.get(name))
        for name in {**whole, **own}
    }


def advise(
    errors: LayerErrors, layers: Mapping[str, str], kept: tuple[str, ...]
) -> Advice:
    """Returns the layers worth keeping in float, beside those that are."""
    names = {scope: layers.get(scope, scope) for scope in errors.own}
    worst, gain = worth_floating(
        {s: db for s, db in errors.own.items() if names[s] not in kept}
    )
    found = tuple(dict.fromkeys(names[scope] for scope in worst))
    return Advice(found, round(gain, 1))


def _departures(made: ConvertedModel, measured: Measured) -> list[str]:
    """Returns a sentence on the first float file that departs from Keras."""
    job = made.job
    for found in float_departures(measured)[:1]:
        x = dict(scenarios(job.samples[TEST].x, job.spec.optional))
        rows = slice(found.sample, found.sample + 1)
        one = {name: a[rows] for name, a in x[found.scenario].items()}
        layer = job.worker(
            FindDeparture(
                model=job.model,
                folder=job.folder,
                samples=made.calibration,
                file=next(f for f in made.files if f.name == found.file),
                x=save(job.folder / "departing.npz", one),
            )
        )
        return [departure_sentence(found, layer.layer, layer.type, layer.gap)]
    return []


def _misfits(job: ExportJob, shipped: tuple[ProducedFile, ...]) -> list[str]:
    profile = job.settings.profile
    return [
        sentence
        for file in shipped
        if profile is not None and FORMATS[file.format].inspectable
        for sentence in misfits(file.path, profile)
    ]
