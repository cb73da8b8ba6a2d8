"""Compression: pruning, clustering, quantization, distillation.

`prune` and `cluster` make weights compressible, `prune_channels` removes
channels for good, `quantize_aware` trains with the rounding of int8,
`distill` trains a smaller model.
"""

from mmkeras.front_doors import front_door

_HOME = {
    "Changes": "change_table",
    "ConstantSparsity": "pruning.schedules",
    "Distiller": "distillation.distiller",
    "KeepClusters": "pruning.clustering",
    "KeepSparsity": "pruning.magnitude",
    "PolynomialDecay": "pruning.schedules",
    "Prune": "pruning.magnitude",
    "Relations": "distillation.distiller",
    "SoftLabels": "distillation.distiller",
    "calibrate": "quantization.wrapping",
    "cluster": "pruning.clustering",
    "copy_model": "kernels",
    "distill": "distillation.distiller",
    "file_ranges": "quantization.ranges",
    "kernels_of": "kernels:kernels",
    "multiply_adds": "channels.removal",
    "prune": "pruning.magnitude",
    "prune_channels": "channels.removal",
    "quantization_ranges": "quantization.wrapping",
    "quantize_aware": "quantization.wrapping",
    "sparsity": "pruning.magnitude",
    "strip": "stripping",
    "strip_quantization": "quantization.wrapping",
}
__all__ = sorted(_HOME)
__getattr__, __dir__ = front_door(__name__, _HOME)
