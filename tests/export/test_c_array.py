"""The C source holds the same bytes, and says what firmware must know."""

import ctypes
import shutil
import subprocess

import pytest
from export.export_toys import toy_export

from mmkeras import artefact
from mmkeras.export import peak_bytes, write_c_array

PROBE = """
const char* labels[] = MODEL_DIGIT_LABELS;
uint32_t peak(void) { return MODEL_PEAK_BYTES + 0 * MODEL_INPUT_IMAGE; }
const char* label(int at) { return labels[at]; }
"""


@pytest.fixture(scope="module")
def tflite():
    return toy_export().bundle / "model.tflite"


def build(folder, compiler):
    source = folder / "probe.c"
    source.write_text('#include "model.c"\n' + PROBE, encoding="utf-8")
    library = folder / "probe.so"
    subprocess.run(
        [compiler, "-Wall", "-Werror", "-shared", "-fPIC", "-x",
         "c++" if "+" in compiler else "c", str(source), "-o", str(library)],
        check=True,
        cwd=folder,
    )  # fmt: skip
    return ctypes.CDLL(str(library))


@pytest.mark.skipif(not shutil.which("gcc"), reason="needs a C compiler")
def test_the_compiled_bytes_are_those_of_the_file(tflite, tmp_path):
    labels = {"digit": ["null", 'a "b" \\ ??/', "fünf", "\n7"]}
    names = write_c_array(tflite, tmp_path, classes=labels)
    assert names == ["model.h", "model.c"]
    library = build(tmp_path, "gcc")
    size = ctypes.c_size_t.in_dll(library, "model_size").value
    data = (ctypes.c_uint8 * size).in_dll(library, "model_data")
    assert bytes(data) == tflite.read_bytes()
    assert ctypes.addressof(data) % 16 == 0
    assert library.peak() == peak_bytes(tflite)
    library.label.restype = ctypes.c_char_p
    found = [library.label(i).decode() for i in range(4)]
    assert found == labels["digit"]


def test_the_header_says_what_firmware_must_know(tflite, tmp_path):
    write_c_array(tflite, tmp_path, title="Toy */ model")
    header = (tmp_path / "model.h").read_text(encoding="utf-8")
    assert artefact.sha256_of(tflite) in header
    assert "uint8, 1 x 16 x 16 x 1" in header
    assert "CONV_2D" in header and "Toy * / model" in header
    assert header.count("#define MODEL_INPUT_") == 5
    assert header.count("#define MODEL_OUTPUT_") == 3


@pytest.mark.parametrize("name", ["Model", "7", "a-b", ""])
def test_a_name_that_is_no_identifier_is_refused(tflite, tmp_path, name):
    with pytest.raises(ValueError, match="C identifier"):
        write_c_array(tflite, tmp_path, name=name)
    assert not list(tmp_path.iterdir())
