"""ONNX, which ONNX Runtime runs on servers and desktops."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mmkeras.export.conversion.onnx_runtime import open_onnx, trace_onnx
from mmkeras.export.conversion.produced_file import FLOAT, ProducedFile
from mmkeras.export.conversion.runtimes import Runtime, Tracer
from mmkeras.export.formats.format import Format
from mmkeras.export.recipes.context import ConversionContext
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

    name, suffix, runtime = "onnx", ".onnx", "an ONNX runtime"
    recipes = {
        "none": (),
        **{name: (name,) for name in ("float16", "dynamic", *INT8)},
    }
    batch = 32

    def convert(self, context: ConversionContext) -> ProducedFile:
        """Writes the float file."""
        from mmkeras.export.conversion.onnx_converter import to_onnx

        context.announce(f"converting to onnx, {FLOAT}")
        path = context.folder / f"{FLOAT}{self.suffix}"
        to_onnx(plain(context.model)[0], path)
        return ProducedFile(self.name, FLOAT, path)

    def quantize(
        self, source: ProducedFile, recipe: str, context: ConversionContext
    ) -> ProducedFile:
        """Writes a smaller file, of the float file."""
        context.announce(f"converting to onnx, {recipe}")
        path = context.folder / f"{recipe}{self.suffix}"
        scopes = context.float_scopes
        if recipe == "dynamic":
            to_dynamic(source.path, path, scopes)
        elif recipe == "float16":
            to_float16(source.path, path)
        else:
            to_int8(source.path, path, context.samples, scopes)
        return ProducedFile(self.name, recipe, path)

    def needs_model(self, recipe: str) -> bool:
        return False

    def open(self, path: str | Path) -> Runtime:
        return open_onnx(path)

    def check(self, path: str | Path) -> None:
        refuse_other_files(path)

    def trace(self, path: str | Path) -> Tracer:
        return trace_onnx(path)


def refuse_other_files(path: str | Path) -> None:
    """Raises ValueError if an ONNX file keeps tensors in other files.

    Their names may lead anywhere, and a hard link looks like a file of its
    own.
    """
    import onnx

    model = onnx.load(str(path), load_external_data=False)
    for tensor in _tensors(model):
        if tensor.external_data or tensor.data_location:
            raise ValueError(
                f"the tensor {tensor.name!r} in another file. Its data must "
                "be in the file itself"
            )


def _tensors(message: Any) -> Iterator[Any]:
    """Yields every tensor of a protobuf message, at any depth."""
    if message.DESCRIPTOR.name == "TensorProto":
        yield message
        return
    for field, value in message.ListFields():
        if field.type == field.TYPE_MESSAGE:
            many = [value] if hasattr(value, "DESCRIPTOR") else value
            for each in many:
                yield from _tensors(each)
