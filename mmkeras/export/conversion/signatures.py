"""Signatures of a TFLite file, as they should be after quantization."""

from pathlib import Path


def repair(source: str | Path, target: str | Path) -> None:
    """Points every output of a quantized file to a tensor of its graph.

    The quantizer moves an output that is also read inside the graph to a
    copy that went through int8, and leaves its signature behind; the runtime
    then finds no data. The graph is given back the tensor of the signature,
    which is the more exact of the two.

    Args:
        source: The file before quantization.
        target: The quantized file, mended in place.
    """
    from ai_edge_litert.tools import flatbuffer_utils

    before = _outputs(flatbuffer_utils.read_model(str(source)))
    model = flatbuffer_utils.read_model(str(target))
    changed = False
    for signature in model.signatureDefs:
        graph = model.subgraphs[signature.subgraphIndex]
        for output in signature.outputs:
            if output.tensorIndex in graph.outputs:
                continue
            place = before[signature.signatureKey, output.name]
            graph.outputs[place] = output.tensorIndex
            changed = True
    if changed:
        flatbuffer_utils.write_model(model, str(target))


def _outputs(model) -> dict[tuple[bytes, bytes], int]:
    """Returns the place of each signature's output among its graph's."""
    return {
        (signature.signatureKey, output.name): list(
            model.subgraphs[signature.subgraphIndex].outputs
        ).index(output.tensorIndex)
        for signature in model.signatureDefs
        for output in signature.outputs
    }
