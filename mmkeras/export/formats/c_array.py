"""C source of a TFLite file, for firmware without a file system."""

import tempfile
from collections.abc import Mapping
from pathlib import Path

from mmkeras.export.conversion.produced_file import ProducedFile
from mmkeras.export.formats.c_source import write_c_array
from mmkeras.export.formats.format import Format


class CArray(Format):
    """`model.h` and `model.c`, beside the file they are made of."""

    name = "c-array"
    made_of = "tflite"
    # It asks for operators that a microcontroller knows.
    target = "microcontroller"

    def write(
        self,
        file: ProducedFile,
        folder: Path,
        classes: Mapping[str, list[str]],
        title: str,
    ) -> None:
        from mmkeras.export.conversion.finding import drop_finders

        with tempfile.TemporaryDirectory() as scratch:
            path = drop_finders(file.path, Path(scratch) / "model.tflite")
            write_c_array(path, folder, "model", dict(classes), title)
