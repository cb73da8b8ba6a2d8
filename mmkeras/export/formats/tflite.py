"""TFLite, which LiteRT runs on phones, computers and microcontrollers."""

import dataclasses
from pathlib import Path

from mmkeras.export.conversion.operators import layer_path, operators
from mmkeras.export.conversion.produced_file import (
    FLOAT,
    Notes,
    ProducedFile,
)
from mmkeras.export.conversion.runtimes import Runtime, Tracer
from mmkeras.export.conversion.tflite_runtime import open_tflite, trace_tflite
from mmkeras.export.formats.format import Format
from mmkeras.export.recipes.context import ConversionContext
from mmkeras.export.recipes.full_int8 import full_int8
from mmkeras.export.recipes.heavy_int8 import HeavyInt8
from mmkeras.export.recipes.learned_ranges import plain, save_ranges
from mmkeras.export.recipes.mixed_precision import mixed_precision

# What the converter quantizes itself, from the model.
CONVERTED = ("float16", "dynamic")
# What is made of the float file.
RECIPES = {
    "int8-heavy": HeavyInt8(),
    "int8-full": full_int8,
    "int16x8": HeavyInt8(bits=16),
    "int4": HeavyInt8(weight_bits=4),
    "mixed": mixed_precision,
}


class TFLite(Format):
    """Files with a static batch of 1, a named signature, and streams."""

    name, suffix, runtime = "tflite", ".tflite", "LiteRT"
    recipes = {
        "none": (),
        **{name: (name,) for name in CONVERTED},
        "int8": ("int8-heavy", "int8-full"),
        **{name: (name,) for name in RECIPES},
    }
    fallback = {"int8": "mixed"}
    needs_labels = frozenset({"mixed"})
    of_texts = {
        "none": (),
        **{name: (name,) for name in (*CONVERTED, "int8-heavy")},
        "int8": ("dynamic", "int8-heavy"),
    }
    has_runner = inspectable = True

    def convert(self, context: ConversionContext) -> ProducedFile:
        """Writes the float file, with a signature for each stream."""
        from mmkeras.export.conversion.streaming import streamed_towers
        from mmkeras.export.conversion.writing import decoders_of

        context.announce(f"converting to tflite, {FLOAT}")
        path = context.folder / f"{FLOAT}{self.suffix}"
        model, aware = plain(context.model)
        streams, decoders = streamed_towers(model), decoders_of(model)
        self._convert(model, path, "none", streams)
        scopes = sorted({scope for _, scope in operators(path)})
        layers = {scope: layer_path(model, scope) for scope in scopes}
        notes = Notes(layers=layers, streams=streams, decoders=decoders)
        if aware is not None:
            learned = context.folder / "learned_ranges.npz"
            save_ranges(aware, path, learned)
            notes = dataclasses.replace(notes, learned=learned)
        return ProducedFile(self.name, FLOAT, path, notes)

    def quantize(
        self, source: ProducedFile, recipe: str, context: ConversionContext
    ) -> ProducedFile:
        """Writes a smaller file, of the model or of the float file."""
        context.announce(f"converting to tflite, {recipe}")
        path = context.folder / f"{recipe}{self.suffix}"
        notes = source.notes
        if recipe in CONVERTED:
            model, _ = plain(context.model)
            self._convert(model, path, recipe, notes.streams)
        else:
            floats = RECIPES[recipe](source, path, context)
            notes = dataclasses.replace(notes, float_layers=floats)
        return ProducedFile(self.name, recipe, path, notes)

    def needs_model(self, recipe: str) -> bool:
        return recipe not in RECIPES

    def open(self, path: str | Path) -> Runtime:
        return open_tflite(path)

    def trace(self, path: str | Path) -> Tracer:
        return trace_tflite(path)

    @staticmethod
    def _convert(model, path: Path, mode: str, streams: dict) -> None:
        from mmkeras.export.conversion.finding import finder_models
        from mmkeras.export.conversion.streaming import step_model
        from mmkeras.export.conversion.tflite_converter import to_tflite
        from mmkeras.export.conversion.writing import decoder_models

        steps = {
            name: step_model(model, name)
            for name, reason in streams.items()
            if reason is None
        }
        others = {**decoder_models(model), **finder_models(model)}
        to_tflite(model, path, mode, streams=steps, others=others)
