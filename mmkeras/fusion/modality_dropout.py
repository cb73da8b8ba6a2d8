"""Modality dropout: optional modalities dropped at random in training."""

import keras
from keras import ops

from mmkeras.arguments import check_fraction


@keras.saving.register_keras_serializable(package="mmkeras")
class ModalityDropout(keras.layers.Layer):
    """Drops optional modalities at random in training, sample by sample.

    The identity outside training. A sample whose modalities would all be
    dropped keeps the ones it had, since it would have no input left.

    Args:
        rate: Probability that a modality of a sample is dropped.
        keep_one: Whether a sample keeps its modalities then; a model with a
            required modality does not need it.
        seed: Seed of the draws.

    Call arguments: `present`, `(batch, n_optional)`.
    Output shape: that of `present`.

    Source: Neverova et al., "ModDrop", 2015 (arXiv 1501.00102).
    """

    def __init__(self, rate=0.1, keep_one=True, seed=None, **kwargs):
        check_fraction("rate", rate)
        super().__init__(**kwargs)
        self.rate = rate
        self.keep_one = keep_one
        self.seed = seed
        self.seed_generator = keras.random.SeedGenerator(seed)

    def call(self, present, training=False):
        if not training or self.rate == 0:
            return present
        draw = keras.random.uniform(
            ops.shape(present), seed=self.seed_generator
        )
        kept = present * ops.cast(draw >= self.rate, present.dtype)
        if not self.keep_one:
            return kept
        # Restored where nothing is left; arithmetic, since a branch by sample
        # does not exist in a graph.
        any_left = ops.max(kept, axis=-1, keepdims=True)
        return kept * any_left + present * (1 - any_left)

    def compute_output_shape(self, input_shape):
        return input_shape
