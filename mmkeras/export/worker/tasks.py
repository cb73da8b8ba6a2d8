"""What is done for each request, in another process."""

from collections.abc import Iterator

import numpy as np

from mmkeras.escaping import say
from mmkeras.export.conversion.operators import narrow_convolutions
from mmkeras.export.conversion.produced_file import ProducedFile
from mmkeras.export.formats import FORMATS, open_file
from mmkeras.export.recipes.context import ConversionContext
from mmkeras.export.verification.sampling import scenarios
from mmkeras.export.worker.labelled import read_labelled
from mmkeras.export.worker.messages import (
    Answers,
    Arrays,
    Convert,
    Converted,
    Departure,
    FindDeparture,
    LayerErrors,
    MeasureLayers,
    Quantize,
    Request,
    load,
    save,
)
from mmkeras.introspection import finishers

PREFIX = "step: "
LAYERS_SEC = 30
# Samples that tell a layer's error well enough.
FEW = 16


def announce(name: str) -> None:
    """Says what is done next, so that the parent can say where it ended."""
    say(f"{PREFIX}{name}")


def convert(request: Convert) -> Converted:
    """Loads the model, answers the samples, writes the files that need it."""
    announce("loading the model")
    model = load_model(request.model)
    check_finite(model, request.model)
    announce("running the model")
    answers = answer(request, model)
    context = gather(request, model)
    files = tuple(
        file
        for name in request.formats
        for file in _files(name, request.quantize, context)
    )
    return Converted(files, answers)


def _files(
    name: str, quantize: str, context: ConversionContext
) -> Iterator[ProducedFile]:
    """Yields the float file of a format, and smaller ones, not made apart."""
    form = FORMATS[name]
    source = form.convert(context)
    yield proven(source, context)
    for recipe in form.recipes_of(quantize, bool(source.notes.decoders)):
        if form.needs_model(recipe):
            made = form.quantize(source, recipe, context)
            yield proven(made, context)


def proven(file: ProducedFile, context: ConversionContext) -> ProducedFile:
    """Returns a file that its runtime opens and runs, on one sample.

    Here, where a runtime that ends the process ends no more than that: no
    file is opened in the process of the user before.

    Raises:
        ValueError: If the runtime refuses it.
    """
    announce(f"opening {file.name}")
    run = open_file(file.path)
    try:
        run({name: array[:1] for name, array in context.samples.items()})
    # ONNX Runtime has a class for each error, and no common base.
    except Exception as error:
        raise ValueError(
            f"{file.name} must be a file that its runtime can run. Received: "
            f"{str(error)[:300]}"
        ) from None
    return file


def quantize(request: Quantize) -> ProducedFile:
    """Makes a smaller file of the float file."""
    form, context = FORMATS[request.source.format], gather(request)
    return proven(
        form.quantize(request.source, request.recipe, context), context
    )


def measure_layers(request: MeasureLayers) -> LayerErrors:
    """Measures the error of each layer, in the whole file and alone."""
    from mmkeras.export.recipes.heavy_int8 import find_ranges
    from mmkeras.export.recipes.layer_errors import layer_errors, own_errors

    announce("measuring the error of each layer")
    context, source = gather(request), request.source.path
    few = {name: x[:FEW] for name, x in context.samples.items()}
    own = own_errors(
        source,
        few,
        find_ranges(
            source, context.samples, decoders=request.source.notes.decoders
        ),
        context.float_scopes,
        narrow_convolutions(source),
        LAYERS_SEC,
    )
    return LayerErrors(layer_errors(source, request.file.path, few), own)


def find_departure(request: FindDeparture) -> Departure:
    """Finds the first layer at which a float file departs from Keras."""
    from mmkeras.export.recipes.learned_ranges import plain
    from mmkeras.export.verification import departure

    announce("looking for the layer that departs")
    model, _ = plain(load_model(request.model))
    x = load(request.x)
    found = departure.find_departure(model, request.file.path, x)
    if found is None:
        return Departure()
    layer, gap = found
    return Departure(layer.name, type(layer).__name__, gap)


def load_model(path):
    """Loads a model, one of `quantize_aware` included."""
    # Loading needs its layer to be registered.
    from mmkeras.compress.quantization import layer  # noqa: F401
    from mmkeras.model import load_model

    return load_model(path)


def check_finite(model, path) -> None:
    """Raises ValueError if a weight is NaN or infinite."""
    for variable in model.variables:
        values = np.asarray(variable)
        if values.dtype.kind == "f" and not np.isfinite(values).all():
            raise ValueError(
                f"Every weight of `{path}` must be finite. Received: NaN or "
                f"infinity in `{variable.path}`"
            )


def answer(request: Convert, model) -> dict[str, Answers]:
    """Returns what Keras answers for each set of samples."""
    from mmkeras.export.recipes.learned_ranges import plain

    sets = {name: load(path) for name, path in request.answer.items()}
    models = {"keras": plain(model)[0]}
    if request.reference is not None:
        models["original"] = load_model(request.reference)
    found = {name: {whose: {} for whose in models} for name in sets}
    for whose, each in models.items():
        for number, (scenario, outputs) in enumerate(
            _predict(each, sets, request.optional)
        ):
            for name, values in outputs.items():
                file = request.folder / f"{whose}_{name}_{number}.npz"
                found[name][whose][scenario] = save(file, values)
    return {name: Answers(**each) for name, each in found.items()}


def _predict(
    model, sets: dict[str, Arrays], optional: tuple[str, ...]
) -> Iterator[tuple[str, dict[str, Arrays]]]:
    """Yields scenario, and the outputs by name of the set of samples.

    All sets at once: a call takes longer to begin than to answer.
    """
    x = {
        key: np.concatenate([inputs[key] for inputs in sets.values()])
        for key in next(iter(sets.values()))
    }
    sizes = [len(next(iter(inputs.values()))) for inputs in sets.values()]
    ends = np.cumsum(sizes)[:-1]
    for scenario, inputs in scenarios(x, optional):
        outputs = model.predict(inputs, batch_size=32, verbose=0)
        for key, written in finishers(model).items():
            outputs[key] = written(outputs[key])
        parts = {key: np.split(each, ends) for key, each in outputs.items()}
        yield (
            scenario,
            {
                name: {key: each[i] for key, each in parts.items()}
                for i, name in enumerate(sets)
            },
        )


def gather(request: Request, model=None) -> ConversionContext:
    """Returns what files are made with, read from the request's files."""
    labelled = getattr(request, "labelled", None)
    return ConversionContext(
        folder=request.folder,
        model=model,
        samples=load(request.samples),
        float_layers=request.float_layers,
        labelled=labelled and read_labelled(labelled),
        announce=announce,
    )


TASKS = {
    Convert: convert,
    Quantize: quantize,
    MeasureLayers: measure_layers,
    FindDeparture: find_departure,
}
