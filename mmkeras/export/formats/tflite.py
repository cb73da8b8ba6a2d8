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
from mmkeras.export.recipes.full_int8 import full_int8
from mmkeras.export.recipes.heavy_int8 import HeavyInt8
from mmkeras.export.recipes.ingredients import Ingredients
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

    name, suffix = "tflite", ".tflite"
    recipes = {
        "none": (),
        **{name: (name,) for name in CONVERTED},
        "int8": ("int8-heavy", "int8-full"),
        **{name: (name,) for name in RECIPES},
    }
    fallback = {"int8": "mixed"}
    labelled = frozenset({"mixed"})
    has_runner = tells_layers = True

    def convert(self, ingredients: Ingredients) -> ProducedFile:
        """Writes the float file, with a signature for each stream."""
        from mmkeras.export.conversion.streaming import streamed_towers

        ingredients.announce(f"converting to tflite, {FLOAT}")
        path = ingredients.folder / f"{FLOAT}{self.suffix}"
        model, aware = plain(ingredients.model)
        streams = streamed_towers(model)
        self._convert(model, path, "none", streams)
        scopes = sorted({scope for _, scope in operators(path)})
        layers = {scope: layer_path(model, scope) for scope in scopes}
        notes = Notes(layers=layers, streams=streams)
        if aware is not None:
            learned = ingredients.folder / "learned_ranges.npz"
            save_ranges(aware, path, learned)
            notes = dataclasses.replace(notes, learned=learned)
        return ProducedFile(self.name, FLOAT, path, notes)

    def quantize(
        self, source: ProducedFile, recipe: str, ingredients: Ingredients
    ) -> ProducedFile:
        """Writes a smaller file, of the model or of the float file."""
        ingredients.announce(f"converting to tflite, {recipe}")
        path = ingredients.folder / f"{recipe}{self.suffix}"
        notes = source.notes
        if recipe in CONVERTED:
            model, _ = plain(ingredients.model)
            self._convert(model, path, recipe, notes.streams)
        else:
            floats = RECIPES[recipe](source, path, ingredients)
            notes = dataclasses.replace(notes, float_layers=floats)
        return ProducedFile(self.name, recipe, path, notes)

    def apart(self, recipe: str) -> bool:
        return recipe in RECIPES

    def open(self, path: str | Path) -> Runtime:
        return open_tflite(path)

    def trace(self, path: str | Path) -> Tracer:
        return trace_tflite(path)

    @staticmethod
    def _convert(model, path: Path, mode: str, streams: dict) -> None:
        from mmkeras.export.conversion.streaming import step_model
        from mmkeras.export.conversion.tflite_converter import to_tflite

        steps = {
            name: step_model(model, name)
            for name, reason in streams.items()
            if reason is None
        }
        to_tflite(model, path, mode, streams=steps)
