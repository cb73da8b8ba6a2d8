"""Compression: pruning, clustering, quantization, distillation.

`prune` and `cluster` make weights compressible, `prune_channels` removes
channels for good, `quantize_aware` trains with the rounding of int8,
`distill` trains a smaller model.
"""

import importlib

_HOME = {
    "ConstantSparsity": "pruning.schedules",
    "PolynomialDecay": "pruning.schedules",
    "Prune": "pruning.magnitude",
    "KeepSparsity": "pruning.magnitude",
    "prune": "pruning.magnitude",
    "sparsity": "pruning.magnitude",
    "cluster": "pruning.clustering",
    "KeepClusters": "pruning.clustering",
    "prune_channels": "channels.removal",
    "multiply_adds": "channels.removal",
    "Changes": "change_table",
    "quantize_aware": "quantization.wrapping",
    "calibrate": "quantization.wrapping",
    "strip_quantization": "quantization.wrapping",
    "quantization_ranges": "quantization.wrapping",
    "file_ranges": "quantization.ranges",
    "strip": "stripping",
    "Distiller": "distillation.distiller",
    "distill": "distillation.distiller",
    "Relations": "distillation.distiller",
    "SoftLabels": "distillation.distiller",
}
__all__ = sorted(_HOME)


def __getattr__(name: str):
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = importlib.import_module(f"{__name__}.{_HOME[name]}")
    return getattr(module, name)
