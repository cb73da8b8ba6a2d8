"""Smaller models that are still the same: model in, model out.

`prune` and `cluster` make weights compressible, `prune_channels` removes
channels for good, `quantize_aware` trains with the rounding of int8,
`distill` teaches a smaller model.
"""

import importlib

_HOME = {
    "ConstantSparsity": "schedules",
    "PolynomialDecay": "schedules",
    "Prune": "pruning",
    "KeepSparsity": "pruning",
    "prune": "pruning",
    "sparsity": "pruning",
    "cluster": "clustering",
    "KeepClusters": "clustering",
    "prune_channels": "channels",
    "multiply_adds": "channels",
    "Changes": "changes",
    "quantize_aware": "qat",
    "calibrate": "qat",
    "strip_quantization": "qat",
    "quantization_ranges": "qat",
    "file_ranges": "qat_file",
    "strip": "stripping",
    "Distiller": "distillation",
    "distill": "distillation",
    "Relations": "distillation",
    "SoftLabels": "distillation",
}
__all__ = sorted(_HOME)


def __getattr__(name: str):
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = importlib.import_module(f"{__name__}.{_HOME[name]}")
    return getattr(module, name)
