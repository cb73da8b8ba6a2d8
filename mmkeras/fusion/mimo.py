"""Several inputs, several outputs, one trunk."""

import keras
from keras import layers, ops

from mmkeras.arguments import check_fraction, check_positive
from mmkeras.fusion.base import Fusion, widths_of
from mmkeras.fusion.multi_view import mean_of_present, presence_of


@keras.saving.register_keras_serializable(package="mmkeras")
class MIMO(Fusion):
    """Every modality goes into one trunk and has an output of its own there.

    `h = relu(sum_m W_m v_m)` passes `depth` dense layers; each modality m
    reads `relu(U_m h)`, and the output is the mean over the modalities that
    are there. Good where one network has to serve many modalities: the trunk
    is paid for once. Costs `M * (d * units + units ** 2) + depth * units ** 2`
    parameters and multiply-adds for M modalities of width d.

    Args:
        units: Width of the output and of the trunk.
        depth: Dense layers of the trunk.
        dropout: Dropout rate in the trunk.

    Call arguments and output shape: see `Fusion`.

    Source: Havasi et al., "Training Independent Subnetworks for Robust
    Prediction", 2021 (arXiv 2010.06610). There the inputs are independent
    samples in training and copies of one sample afterwards, and each output
    is a prediction with a loss of its own. Here the inputs are the modalities
    of one sample at all times, and the outputs are averaged before the head,
    so there is one loss.

    Example:

    >>> fused = MIMO(32)({"a": tower_a(x), "b": tower_b(y)})
    """

    reads_tokens = False

    def __init__(self, units=64, depth=1, dropout=0.0, **kwargs):
        check_fraction("dropout", dropout)
        check_positive(depth=depth)
        super().__init__(units, **kwargs)
        self.depth = depth
        self.dropout = dropout
        self.drop = layers.Dropout(dropout, dtype=self.dtype_policy)

    def build_fuse(self, features_shape):
        widths = widths_of(features_shape)
        self.into = self.dense_each("in", widths, self.units)
        widths = dict.fromkeys(widths, self.units)
        self.out_of = self.dense_each("out", widths, self.units, "relu")
        widths = {f"layer_{i}": self.units for i in range(self.depth)}
        self.trunk = self.dense_each("trunk", widths, self.units, "relu")

    def fuse(self, features):
        names = sorted(features)
        x = sum(self.into[n](features[n]["vector"]) for n in names)
        x = ops.relu(x)
        for layer in self.trunk.values():
            x = self.drop(layer(x))
        outputs = ops.stack([self.out_of[n](x) for n in names], axis=1)
        return mean_of_present(outputs, presence_of(features))

    def follow_fuse(self, follow, features):
        for name in sorted(features):
            follow(self.into[name], features[name]["vector"])
        return follow.flow((None, self.units))
