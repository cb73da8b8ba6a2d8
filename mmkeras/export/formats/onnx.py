"""ONNX, which ONNX Runtime runs on servers and desktops."""

from pathlib import Path

from mmkeras.export.conversion.onnx_runtime import open_onnx, trace_onnx
from mmkeras.export.conversion.produced_file import FLOAT, ProducedFile
from mmkeras.export.conversion.runtimes import Runtime, Tracer
from mmkeras.export.formats.format import Format
from mmkeras.export.recipes.ingredients import Ingredients
from mmkeras.export.recipes.learned_ranges import plain
from mmkeras.export.recipes.onnx_quantization import (
    to_dynamic,
    to_float16,
    to_int8,
)

# One int8 file, whichever way is asked for; none with 16 or 4 bits.
INT8 = ("int8", "int8-heavy", "int8-full", "mixed")


class ONNX(Format):
    """Files with a dynamic batch."""

    name, suffix = "onnx", ".onnx"
    recipes = {
        "none": (),
        **{name: (name,) for name in ("float16", "dynamic", *INT8)},
    }
    batch = 32

    def convert(self, ingredients: Ingredients) -> ProducedFile:
        """Writes the float file."""
        from mmkeras.export.conversion.onnx_converter import to_onnx

        ingredients.announce(f"converting to onnx, {FLOAT}")
        path = ingredients.folder / f"{FLOAT}{self.suffix}"
        to_onnx(plain(ingredients.model)[0], path)
        return ProducedFile(self.name, FLOAT, path)

    def quantize(
        self, source: ProducedFile, recipe: str, ingredients: Ingredients
    ) -> ProducedFile:
        """Writes a smaller file, of the float file."""
        ingredients.announce(f"converting to onnx, {recipe}")
        path = ingredients.folder / f"{recipe}{self.suffix}"
        scopes = ingredients.float_scopes
        if recipe == "dynamic":
            to_dynamic(source.path, path, scopes)
        elif recipe == "float16":
            to_float16(source.path, path)
        else:
            to_int8(source.path, path, ingredients.samples, scopes)
        return ProducedFile(self.name, recipe, path)

    def open(self, path: str | Path) -> Runtime:
        return open_onnx(path)

    def trace(self, path: str | Path) -> Tracer:
        return trace_onnx(path)
