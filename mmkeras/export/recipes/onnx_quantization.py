"""Smaller ONNX files: int8 with and without samples, float16."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from mmkeras.export.recipes.context import FLOAT_SCOPES
from mmkeras.export.recipes.onnx_loops import spell_out


def to_int8(
    source: str | Path,
    target: str | Path,
    samples: Mapping[str, np.ndarray],
    float_scopes: tuple[str, ...] = FLOAT_SCOPES,
) -> None:
    """Quantizes convolutions statically, matrix products dynamically.

    Static int8 makes attention slower than float, and dynamic int8 makes
    convolutions slower; each gets the kind that suits it.

    Args:
        source: Float `.onnx` file.
        target: The file to write.
        samples: Arrays by input name, `(samples, ...)`.
        float_scopes: Parts of layer names whose operators stay float.
    """
    from onnxruntime import quantization as tools
    from onnxruntime.quantization.shape_inference import quant_pre_process

    class Reader(tools.CalibrationDataReader):
        """Hands out the samples one at a time."""

        def __init__(self):
            count = len(next(iter(samples.values())))
            self.rows = iter(
                {name: array[i : i + 1] for name, array in samples.items()}
                for i in range(count)
            )

        def get_next(self):
            return next(self.rows, None)

    quant_pre_process(str(source), str(target), skip_symbolic_shape=True)
    tools.quantize_static(
        str(target),
        str(target),
        Reader(),
        quant_format=tools.QuantFormat.QDQ,
        activation_type=tools.QuantType.QInt8,
        op_types_to_quantize=["Conv"],
        nodes_to_exclude=_nodes_of(target, float_scopes),
        **_weights(),
    )
    to_dynamic(target, target, float_scopes)


def to_dynamic(
    source: str | Path,
    target: str | Path,
    float_scopes: tuple[str, ...] = FLOAT_SCOPES,
) -> None:
    """Stores the weights of matrix products as int8; needs no samples."""
    from onnxruntime import quantization as tools

    tools.quantize_dynamic(
        str(source),
        str(target),
        op_types_to_quantize=["MatMul", "Gemm", "Gather", "LSTM"],
        nodes_to_exclude=_nodes_of(source, float_scopes),
        **_weights(),
    )
    spell_out(target)


def _weights() -> dict:
    from onnxruntime.quantization import QuantType

    # 7 bits of 8: on a processor without VNNI the sum of two products of
    # full range overflows its 16 bits, and the answers are wrong.
    return {
        "weight_type": QuantType.QInt8,
        "per_channel": True,
        "reduce_range": True,
    }


def _nodes_of(path: str | Path, scopes: tuple[str, ...]) -> list[str]:
    """Returns the names of the nodes that lie in one of `scopes`."""
    import onnx

    return [
        node.name
        for node in onnx.load(str(path)).graph.node
        if any(scope in node.name for scope in scopes)
    ]


def to_float16(source: str | Path, target: str | Path) -> None:
    """Stores weights as float16; inputs and outputs stay float32."""
    import onnx
    from onnxruntime.transformers.float16 import convert_float_to_float16

    graph = convert_float_to_float16(onnx.load(str(source)), keep_io_types=True)
    onnx.save(graph, str(target))
