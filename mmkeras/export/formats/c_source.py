"""A TFLite file as C source, for firmware without a file system."""

import re
import textwrap
from pathlib import Path

from mmkeras import artefact
from mmkeras.export.conversion.memory import peak_bytes
from mmkeras.export.conversion.operators import count_operators
from mmkeras.export.conversion.runtimes import SIGNATURE

HEADER = """\
/* {title}. Written by mmkeras from the file with SHA-256
   {sha256}. */
#ifndef {guard}
#define {guard}

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {{
#endif

/* The model, aligned as LiteRT for Microcontrollers asks for. */
extern const uint8_t {name}_data[];
extern const size_t {name}_size;
#define {macro}_SIZE {size}u

/* Bytes of activations alive at once; the arena needs some more. */
#define {macro}_PEAK_BYTES {peak}u
{metadata}
#ifdef __cplusplus
}}
#endif

#endif
"""
SOURCE = """\
#include "{name}.h"

#if defined(__cplusplus)
alignas(16)
#elif defined(__GNUC__)
__attribute__((aligned(16)))
#else
_Alignas(16)
#endif
const uint8_t {name}_data[] = {{
{rows}
}};
const size_t {name}_size = sizeof({name}_data);
"""


def write_c_array(
    path: str | Path,
    folder: str | Path,
    name: str = "model",
    classes: dict[str, list[str]] | None = None,
    title: str = "A model",
) -> list[str]:
    """Writes `<name>.h` and `<name>.c`; returns their names.

    The header holds size, memory, and for each input and output its index,
    type, shape, and scale and zero point where it is quantized; the operators
    to register; and the classes of each target.

    Args:
        path: The `.tflite` file.
        folder: Where to write.
        name: Name of the files and prefix of what they define.
        classes: Classes by target, in the order of the outputs.
        title: First words of the comment on top.
    """
    if not re.fullmatch(r"[a-z_][a-z0-9_]*", name):
        raise ValueError(
            f"`name` must be a C identifier in lower case. Received: {name!r}"
        )
    data = Path(path).read_bytes()
    macro = name.upper()
    lines = [
        *_tensor_lines(path, macro),
        *_operator_lines(path, macro),
        *_class_lines(classes or {}, macro),
    ]
    header = HEADER.format(
        title=_comment(title),
        sha256=artefact.sha256_of(path),
        guard=f"{macro}_H",
        name=name,
        macro=macro,
        size=len(data),
        peak=peak_bytes(path),
        metadata="\n".join(lines),
    )
    numbers = ",".join(map(str, data))
    source = SOURCE.format(name=name, rows="\n".join(_wrap(numbers)))
    folder = Path(folder)
    artefact.write_text(folder / f"{name}.h", header)
    artefact.write_text(folder / f"{name}.c", source)
    return [f"{name}.h", f"{name}.c"]


def _wrap(numbers: str, width: int = 76) -> list[str]:
    """Breaks `1,2,3` behind commas; textwrap would take minutes for 1 MB."""
    rows, start = [], 0
    while len(numbers) - start > width:
        end = numbers.rindex(",", start, start + width) + 1
        rows.append(numbers[start:end])
        start = end
    return [*rows, numbers[start:]]


def _tensor_lines(path: str | Path, macro: str) -> list[str]:
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(str(path), num_threads=1)
    run = interpreter.get_signature_runner(SIGNATURE)
    lines = []
    for what, details, order in (
        ("INPUT", run.get_input_details(), interpreter.get_input_details()),
        ("OUTPUT", run.get_output_details(), interpreter.get_output_details()),
    ):
        # Firmware has no signatures: it counts inputs and outputs.
        places = [entry["index"] for entry in order]
        lines += ["", f"/* {what.capitalize()}s: index, type, shape. */"]
        for name, entry in sorted(details.items()):
            key = f"{macro}_{what}_{_identifier(name)}"
            shape = " x ".join(map(str, entry["shape"]))
            kind = entry["dtype"].__name__
            place = places.index(entry["index"])
            lines.append(f"#define {key} {place} /* {kind}, {shape} */")
            scale, zero = entry["quantization"]
            if scale:
                lines.append(f"#define {key}_SCALE {float(scale)!r}f")
                lines.append(f"#define {key}_ZERO_POINT {zero}")
    return lines


def _operator_lines(path: str | Path, macro: str) -> list[str]:
    names = ", ".join(count_operators(path))
    wrapped = textwrap.fill(names, 74, subsequent_indent="   ")
    return [
        "",
        f"/* Operators to register: {len(count_operators(path))}",
        f"   {wrapped} */",
        f"#define {macro}_OPERATORS {len(count_operators(path))}",
    ]


def _class_lines(classes: dict[str, list[str]], macro: str) -> list[str]:
    lines = []
    for target, labels in sorted(classes.items()):
        key = f"{macro}_{_identifier(target)}"
        quoted = ", ".join(_quote(label) for label in labels)
        lines += [
            "",
            f"#define {key}_CLASSES {len(labels)}",
            f"#define {key}_LABELS {{{quoted}}}",
        ]
    return lines


def _identifier(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9]", "_", name).upper()


def _quote(label: str) -> str:
    """Returns a C string of the label's UTF-8, whatever is in it."""
    plain = "".join(
        chr(byte)
        if 32 <= byte < 127 and chr(byte) not in '"\\?'
        # Three octal digits: a hexadecimal escape would swallow what follows.
        else f"\\{byte:03o}"
        for byte in label.encode()
    )
    return f'"{plain}"'


def _comment(text: str) -> str:
    return re.sub(r"[^ -~]", " ", text).replace("*/", "* /")[:60]
