"""The base of every fusion: learned vectors replace absent modalities."""

import keras
from keras import ops

from mmkeras.arguments import check_positive


@keras.saving.register_keras_serializable(package="mmkeras")
class Fusion(keras.layers.Layer):
    """Base of every fusion: `{modality: tower output}` to one vector.

    A subclass implements `fuse(features)`. Before that, for each modality in
    `present`, a learned vector replaces the tower's output wherever the
    modality is absent, sample by sample: in training, in evaluation and in
    the exported graph alike. The values in an absent input, any finite
    numbers, do not change the output; in training they may change the batch
    statistics of its tower. `fuse` gets the tower outputs by name,
    and beside them `"present"`, `(batch, 1)`, 1 where the modality is
    present and 0 where the learned vector replaces it.

    Args:
        units: Width of the output.

    Call arguments:
        features: `{modality: {"vector": (batch, d), "tokens": (batch, t, d),
            "mask": (batch, t)}}`; `d` may differ between modalities.
        present: `{modality: (batch, 1)}`, 1 where the modality is there; only
            the optional modalities have an entry.

    Output shape: `(batch, units)`.

    Example, a fusion of your own:

    >>> class Mean(Fusion):
    ...     def fuse(self, features):
    ...         vectors = [features[n]["vector"] for n in sorted(features)]
    ...         return keras.ops.mean(keras.ops.stack(vectors), axis=0)
    """

    # Whether `fuse` reads tokens; one that does cannot be streamed.
    reads_tokens = True
    # Whether the output already is a target's prediction; see `Late`.
    decides = False

    def __init__(self, units=64, **kwargs):
        check_positive(units=units)
        super().__init__(**kwargs)
        self.units = units

    def build(self, features_shape, present_shape=None):
        self.standins = {
            name: self.add_weight(
                name=f"{name}_standin",
                shape=(features_shape[name]["vector"][-1],),
                initializer=keras.initializers.RandomNormal(stddev=0.02),
            )
            for name in sorted(present_shape or {})
        }
        self.build_fuse(features_shape)

    def build_fuse(self, features_shape):
        """Creates the weights of `fuse`; nothing by default."""

    def dense_each(self, role, widths, units, activation=None, **arguments):
        """Returns a built dense layer a modality, `<modality>_<role>`.

        Args:
            role: What the layers are for.
            widths: Width of the input of each, by modality.
            units: Width of their outputs.
            activation: Activation of each.
            arguments: Further arguments of `keras.layers.Dense`.
        """
        arguments = {"dtype": self.dtype_policy, **arguments}
        layers = {}
        for name in sorted(widths):
            layers[name] = keras.layers.Dense(
                units, activation, name=f"{name}_{role}", **arguments
            )
            layers[name].build((None, widths[name]))
        return layers

    def call(self, features, present=None):
        present = present or {}
        if set(present) != set(self.standins):
            raise ValueError(
                "`present` must have the optional modalities that the layer "
                "was built with. Received: "
                f"{', '.join(sorted(present)) or 'none'}; expected: "
                f"{', '.join(self.standins) or 'none'}"
            )
        features = {
            name: {
                **features[name],
                "present": ops.ones_like(features[name]["vector"][:, :1]),
            }
            for name in sorted(features)
        }
        for name in self.standins:
            features[name] = self.stand_in(
                features[name], present[name], self.standins[name]
            )
        return self.fuse(features)

    def stand_in(self, feature, present, standin):
        """Replaces one modality's features where `present` is 0.

        An absent modality keeps one token, its learned vector, so that
        attention always has a token that is not masked.
        """
        here = ops.cast(present, feature["vector"].dtype)
        standin = ops.cast(standin, here.dtype)
        here_3d = ops.expand_dims(here, -1)
        mask = ops.cast(feature["mask"], here.dtype)
        first = ops.one_hot(0, mask.shape[1], dtype=here.dtype)
        return {
            "vector": feature["vector"] * here + standin * (1 - here),
            "tokens": feature["tokens"] * here_3d + standin * (1 - here_3d),
            "mask": mask * here + first * (1 - here),
            "present": here,
        }

    def fuse(self, features):
        raise NotImplementedError(
            f"{type(self).__name__} must implement `fuse(features)`."
        )

    def follow_channels(self, follow, features, present=None):
        for name, standin in self.standins.items():
            feature = features[name]
            weight = follow.weight(standin, 0)
            follow.tie(feature["vector"], feature["tokens"], weight)
        return self.follow_fuse(follow, features)

    def follow_fuse(self, follow, features):
        """Declares how channels pass, for `compress.prune_channels`.

        See its `Follow`. Without this method no channel of the towers is
        pruned.
        """
        for name in sorted(features):
            flows = features[name]["vector"], features[name]["tokens"]
            follow.leave(f"{type(self).__name__} has no `follow_fuse`", *flows)

    def compute_output_shape(self, features_shape, present_shape=None):
        name = sorted(features_shape)[0]
        return (features_shape[name]["vector"][0], self.units)


def widths_of(features_shape):
    """Returns the width of each modality's vector, by name."""
    return {n: features_shape[n]["vector"][-1] for n in sorted(features_shape)}
