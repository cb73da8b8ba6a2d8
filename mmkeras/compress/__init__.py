"""Compression: pruning, clustering, quantization, distillation.

`prune` and `cluster` make weights compressible, `prune_channels` removes
channels for good, `quantize_aware` trains with the rounding of int8,
`distill` trains a smaller model.
"""

from mmkeras.front_doors import front_door

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
__getattr__, __dir__ = front_door(__name__, _HOME)
