"""A learning rate and a weight decay for each weight, in one AdamW."""

import warnings
from collections.abc import Iterator, Mapping, Sequence

import keras
from keras import ops

from mmkeras import keras_private as private
from mmkeras.training.trainable.patterns import Place, select


def rates_by_pattern(
    found: Sequence[Place], rates: Mapping[str, float], argument: str
) -> dict[int, float]:
    """Returns the value for each weight that a pattern matches, by its id.

    Where several patterns match a weight, the last one counts.

    Args:
        found: The places of the model's weights.
        rates: The value by pattern.
        argument: Name for messages.

    Raises:
        ValueError: If a pattern matches nothing.
    """
    values: dict[int, float] = {}
    for pattern, value in rates.items():
        for place in select(found, [pattern], argument):
            values[id(place.weight)] = value
    return values


def rates_by_depth(tower: keras.layers.Layer, decay: float) -> dict[int, float]:
    """Returns a multiplier for each weight of a tower, by its id.

    The layers that have a weight of two axes or more are counted in the
    tower's order, from 1 at the input to L; any other layer, such as a
    normalization, has the number of the one before it. A layer inside a
    model inside the tower counts by itself, one inside a layer does not. The
    weights of layer l get `decay ** (L + 1 - l)`: the last layer of a tower
    learns at `decay` of the rate of the fusion and the heads, the first one
    at `decay ** L`.

    Args:
        tower: The tower.
        decay: Above 0, at most 1, such as 0.8.

    Source: Clark et al., "ELECTRA", 2020 (arXiv 2003.10555), appendix A;
    counted as by Bao et al., "BEiT", 2021 (arXiv 2106.08254).
    """
    numbers: list[tuple[keras.layers.Layer, int]] = []
    number = 0
    for layer in _in_order(tower):
        number += any(len(weight.shape) > 1 for weight in layer.weights)
        numbers.append((layer, max(1, number)))
    return {
        id(weight): decay ** (max(1, number) + 1 - own)
        for layer, own in numbers
        for weight in layer.weights
    }


def _in_order(layer: keras.layers.Layer) -> Iterator[keras.layers.Layer]:
    # A wrapper, such as TimeDistributed, may hold a model.
    inside = getattr(layer, "layer", layer)
    if not isinstance(inside, keras.Model):
        yield layer
        return
    for each in inside.layers:
        yield from _in_order(each)


@keras.saving.register_keras_serializable(package="mmkeras")
@private.replaces_steps
class GroupedAdamW(keras.optimizers.AdamW):
    """AdamW in which each weight has a rate and a decay of its own.

    Good for fine-tuning: what is pretrained moves less than what is new. With
    every rate 1 it takes the very steps of `keras.optimizers.AdamW`.

    A weight may be unfrozen later (`Unfreezing`). Adam's moments then start
    from zero, and are corrected by the steps this weight has taken, not by
    those of the others: otherwise its first tens of steps would be more than
    six times as long as the learning rate says.

    Args:
        *args: As of `keras.optimizers.AdamW`.
        rates: Multipliers of the learning rate, one a weight, in the order in
            which the optimizer is built; None for 1 each.
        decays: Weight decays, one a weight; None for `weight_decay`, save
            where `exclude_from_weight_decay` says otherwise. The rates
            multiply them too, as they do all of a step.
        late: The places, in that order, of weights that are unfrozen later.
        **kwargs: As of `keras.optimizers.AdamW`.

    Example:

    >>> optimizer = GroupedAdamW(1e-3, rates=[0.1, 1.0])
    >>> optimizer.build([kernel_of_a_tower, kernel_of_a_head])
    """

    def __init__(self, *args, rates=None, decays=None, late=(), **kwargs):
        super().__init__(*args, **kwargs)
        self.rates = None if rates is None else list(rates)
        self.decays = None if decays is None else list(decays)
        self.late = list(late)

    def build(self, variables):
        if self.built:
            return
        super().build(variables)
        for values in (self.rates, self.decays):
            if values is not None and len(values) != len(variables):
                # As Keras says where it cannot restore an optimizer.
                warnings.warn(
                    f"`GroupedAdamW` has rates or decays for {len(values)} "
                    f"weights, and is built with {len(variables)}; all of "
                    "them learn at one rate. Compile the model anew",
                    stacklevel=2,
                )
                self.rates = self.decays = None
                self.late = []
        self._updates = [
            self.add_variable((), dtype="int", name="updates")
            for _ in self.late
        ]

    def update_step(self, gradient, variable, learning_rate):
        place = private.index_of(self, variable)
        rate = self._scaled(learning_rate, place)
        if place in self.late:
            own = self._updates[self.late.index(place)]
            self.assign_add(own, 1)
            # Keras corrects by the steps of all; this undoes it.
            rate = rate * self._correction(own)
            rate = rate / self._correction(self.iterations + 1)
        super().update_step(gradient, variable, rate)

    def _correction(self, steps):
        steps = ops.cast(steps, "float32")
        first = 1.0 - ops.power(ops.cast(self.beta_1, "float32"), steps)
        second = 1.0 - ops.power(ops.cast(self.beta_2, "float32"), steps)
        return ops.sqrt(second) / first

    def _scaled(self, learning_rate, place):
        rate = 1.0 if self.rates is None else self.rates[place]
        return learning_rate if rate == 1.0 else learning_rate * rate

    def decay_weights(self, variables):
        """Decays each weight at its own rate."""
        for variable in variables:
            place = private.index_of(self, variable)
            decay = self._decay(variable, place)
            if not decay:
                continue
            rate = self._scaled(self.learning_rate, place)
            rate = ops.cast(rate, variable.dtype)
            decay = ops.cast(decay, variable.dtype)
            value = ops.convert_to_tensor(variable)
            self.assign_sub(variable, value * decay * rate)

    def _decay(self, variable, place):
        if self.decays is not None:
            return self.decays[place]
        used = private.uses_weight_decay(self, variable)
        return self.weight_decay if used else 0.0

    def update_averages(self, variables):
        """Moves the averages of the weights, also of frozen ones."""
        if not self.late:
            self.update_averages_as_keras(variables)
            return
        # In this form the average of a frozen weight is exactly that weight.
        seen = ops.cast(ops.not_equal(self.iterations, 0), "float32")
        share = 1.0 - seen * self.ema_momentum
        for variable, average in private.averages_of(self):
            step = (ops.convert_to_tensor(variable) - average) * share
            average.assign_add(step)

    def get_config(self):
        own = {"rates": self.rates, "decays": self.decays, "late": self.late}
        # TensorFlow has put lists of its own in place of ours.
        own = {k: None if v is None else list(v) for k, v in own.items()}
        return {**super().get_config(), **own}
