"""The layer that runs a model with the rounding of an int8 file."""

import keras
from keras import ops

from mmkeras.compress.quantization.chains import find_ends
from mmkeras.compress.quantization.rounded_call import Pass
from mmkeras.compress.quantization.rounding import (
    UNKNOWN,
    round_table,
    round_weight,
)
from mmkeras.compress.quantization.sites import DENSE, find_sites
from mmkeras.compress.quantization.swaps import replaced


@keras.saving.register_keras_serializable(package="mmkeras")
class QuantizeAware(keras.layers.Layer):
    """Runs a model with rounded weights and activations.

    Args:
        model: functional model.
        weight_bits, activation_bits, float_layers, momentum: see
            `quantize_aware`.
        bare: list of str, ranges of the products that the converted file
            rounds before their bias; while it is None, it is estimated.

    Call arguments and output shape: those of the model.
    """

    def __init__(
        self,
        model,
        weight_bits=8,
        activation_bits=8,
        float_layers=(),
        momentum=0.95,
        bare=None,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.model = model
        self.weight_bits = weight_bits
        self.activation_bits = activation_bits
        self.float_layers = tuple(float_layers)
        self.momentum = momentum
        self.calibrating = False
        self.sites = find_sites(model, weight_bits, self.float_layers)
        self.ends, self.starts = find_ends(model, self.sites)
        self.ranges = {
            name: self.add_weight(
                shape=(2,),
                initializer=lambda shape, dtype: ops.array(UNKNOWN, dtype),
                trainable=False,
                # Keras allows no slash in a name.
                name=name.replace("/", "."),
            )
            for site in self.sites
            for name in site.range_names
        }
        # Ranges that are shared: the same values, or the same grid.
        self.aliases = {}
        # Products whose bias the converter may move into the dense layer that
        # reads them, and those where a converted file shows that it does.
        self.handed_on = set()
        self.bare = None if bare is None else tuple(bare)
        self.dense = {
            site.bare for site in self.sites if type(site.kernel.layer) in DENSE
        }
        self.built = True

    def call(self, inputs, training=False):
        rounded = {
            id(site.kernel.variable): self.rounded(site) for site in self.sites
        }
        variables = [*self.model.variables, *self.ranges.values()]
        # Named one by one, since Keras may have put a scope around this one.
        state = [(v, rounded.get(id(v), v.value)) for v in variables]
        scope = keras.StatelessScope(state, collect_losses=True)
        before = [scope.get_current_value(v) for v in variables]
        with scope, replaced(Pass(self, training)):
            outputs = self.model(inputs, training=training)
        for variable, old in zip(variables, before):
            new = scope.get_current_value(variable)
            # Statistics, seeds and ranges moved; nothing else did.
            if new is not old:
                variable.assign(new)
        for loss in scope.losses:
            self.add_loss(loss)
        return outputs

    def rounds_bare(self, name):
        """Whether a product is rounded before its bias is added.

        Until a converted file shows it, a dense layer is assumed to take over
        the bias of a dense layer before it.
        """
        if self.bare is not None:
            return name in self.bare
        return name in self.handed_on and name in self.dense

    def rounded(self, site):
        """Returns the weight of a site after rounding."""
        if site.kind == "table":
            return round_table(site.kernel.variable.value, site.bits)
        return round_weight(
            site.kernel.variable.value, site.bits, site.kernel.output_axes
        )

    def get_config(self):
        return {
            **super().get_config(),
            "model": keras.saving.serialize_keras_object(self.model),
            "weight_bits": self.weight_bits,
            "activation_bits": self.activation_bits,
            "float_layers": list(self.float_layers),
            "momentum": self.momentum,
            "bare": None if self.bare is None else list(self.bare),
        }

    @classmethod
    def from_config(cls, config):
        model = keras.saving.deserialize_keras_object(config.pop("model"))
        return cls(model, **config)


def layer_of(model: keras.Model) -> QuantizeAware:
    """Returns the layer of a model that `quantize_aware` made."""
    for layer in model.layers:
        if isinstance(layer, QuantizeAware):
            return layer
    raise ValueError(
        "`model` must come from `quantize_aware`. Received: "
        f"{type(model).__name__} `{model.name}` without its layer"
    )
