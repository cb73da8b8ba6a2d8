"""One step at a time: a recurrent model with its state as input and output.

A device that listens or reads on and on should not compute a whole second
again for each new hundredth. `step_model` rebuilds a model so that it takes
one step of one modality and the state, and returns the answer so far and the
next state. What needs to see the whole sequence is refused by name.
"""

import keras
from keras import layers, ops

from mmkeras import keras_private as private
from mmkeras.export.conversion.stepping import STATE as PREFIX

# What looks at each step alone.
POINTWISE = {
    "Activation", "Add", "BatchNormalization", "Cast", "Dense", "Dropout",
    "Embedding", "FillMissing", "GetItem", "HidePadding", "KnownSteps",
    "LayerNormalization", "MFCC", "MarkGaps", "MissingCells", "Multiply",
    "NotEqual", "OnesLike", "ReLU", "Rescaling", "SpatialDropout1D",
    "SpecAugment",
}  # fmt: skip
POOLS = (layers.AveragePooling1D, layers.MaxPooling1D)
RECURRENT = (layers.GRU, layers.LSTM)


def streamed_towers(model: keras.Model) -> dict[str, str | None]:
    """Returns each tower with a memory, and why it does not stream, or None.

    Args:
        model: Model whose towers are called `<modality>_tower`.
    """
    found = {}
    for name in [tensor.name for tensor in model.inputs]:
        tower = {x.name: x for x in model.layers}.get(f"{name}_tower")
        if tower is None or not any(map(_remembers, tower.layers)):
            continue
        try:
            step_model(model, name)
            found[name] = None
        except ValueError as error:
            found[name] = str(error)
    return found


def step_model(model: keras.Model, modality: str) -> keras.Model:
    """Builds the model that takes one step of `modality` at a time.

    Started with zeros, and fed every step in turn, its last answer is that
    of the whole sequence; of an output that has steps itself, such as a
    transcript's, its answers one after the other are.

    Args:
        model: Model with dict inputs and outputs, and a tower that looks back
            only: GRU or LSTM in one direction, causal convolutions, pooling,
            averages.
        modality: Name of the input to stream: `(batch, samples)` of sound,
            `(batch, tokens)` or `(batch, steps, channels)`.

    Returns:
        Model from `{modality: (batch, step, ...), <other inputs>,
        "state_<layer>": (batch, ...)}` to the model's outputs and the next
        `state_<layer>`; `step` is the samples, tokens or steps that make one
        token of the tower.

    Raises:
        ValueError: If a layer has to see more than the past; it is named.
    """
    replay = _Replay()
    inputs = {
        tensor.name: keras.Input(
            tensor.shape[1:], dtype=tensor.dtype, name=tensor.name
        )
        for tensor in model.inputs
    }
    if modality not in inputs:
        raise ValueError(
            "`modality` must be an input of the model. Received: "
            f"{modality!r}. Choices: {', '.join(sorted(inputs))}"
        )
    step = step_length(model.get_layer(f"{modality}_tower"))
    whole = inputs[modality]
    inputs[modality] = keras.Input(
        (step, *whole.shape[2:]), dtype=whole.dtype, name=modality
    )
    replay.timed.add(id(inputs[modality]))
    order = [inputs[tensor.name] for tensor in model.inputs]
    outputs = replay.run(model, order)
    return keras.Model(
        {**inputs, **replay.states}, {**outputs, **replay.following}
    )


def step_length(tower: keras.Model) -> int:
    """Returns the samples, tokens or steps that make one token of a tower."""
    length, tensor = 1, tower.output["tokens"]
    while tensor is not None:
        layer = private.history_of(tensor).operation
        if _in_patches(layer):
            length *= layer.strides[0]
        length *= getattr(layer, "hop_length", 1)
        before = private.node_of(tensor).input_tensors
        tensor = before[0] if before else None
    return length


def _remembers(layer: keras.layers.Layer) -> bool:
    causal = getattr(layer, "padding", None) == "causal"
    return causal or isinstance(layer, (*RECURRENT, layers.Bidirectional))


def _in_patches(layer: keras.layers.Layer) -> bool:
    """Whether a pool or convolution reads stretches that do not overlap."""
    if isinstance(layer, layers.Conv1D) and layer.padding == "valid":
        size = layer.kernel_size
    else:
        size = layer.pool_size if isinstance(layer, POOLS) else None
    return size is not None and layer.strides == size


class _Replay:
    """Calls the layers of a model again, on one step instead of all."""

    def __init__(self):
        self.timed = set()  # ids of tensors with a time axis
        self.kept = []  # an id is of use only while its tensor lives
        self.states, self.following = {}, {}

    def run(self, model, inputs):
        return private.run_graph(model, inputs, call_fn=self.call)

    def call(self, layer, *args, **kwargs):
        tensors = keras.tree.flatten((args, kwargs))
        if not any(id(tensor) in self.timed for tensor in tensors):
            return layer(*args, **kwargs)
        if isinstance(layer, keras.Model):
            outputs = self.run(layer, tensors)
        else:
            outputs, timed = self._step(layer, args, kwargs)
            if timed:
                self._mark(outputs)
        return outputs

    def _mark(self, outputs):
        for tensor in keras.tree.flatten(outputs):
            self.timed.add(id(tensor))
            self.kept.append(tensor)

    def _step(self, layer, args, kwargs):
        """Returns the outputs for one step, and whether they have time."""
        name = type(layer).__name__
        behind = name == "ExpandDims" and layer.axis == -1
        alone = getattr(layer, "looks_at_each_step", False)
        if name in POINTWISE or alone or behind or _in_patches(layer):
            self._check_alike(layer, args, kwargs)
            return layer(*args, **kwargs), True
        if isinstance(layer, RECURRENT) and _forward(layer):
            return self._recur(layer, args[0]), True
        if isinstance(layer, layers.Conv1D) and layer.padding == "causal":
            return self._convolve(layer, args[0]), True
        if getattr(layer, "causal", False):
            return self._frame(layer, args[0]), True
        if isinstance(layer, layers.GlobalAveragePooling1D):
            return self._mean(layer, args[0]), False
        if name == "MaskedMean":
            return self._mean(layer, *args), False
        if getattr(layer, "reads_tokens", True) is False:
            return layer(*args, **kwargs), False
        raise ValueError(
            "Every layer of a streamed tower must look back only. Received: "
            f"`{layer.name}` ({name}). What streams: a GRU or LSTM in one "
            "direction that returns sequences, Conv1D with padding='causal', "
            "pooling, layers that take each step alone, and a fusion of "
            "vectors"
        )

    def _check_alike(self, layer, args, kwargs):
        """Refuses to join one step with all the steps of something else."""
        for tensor in keras.tree.flatten((args, kwargs)):
            shape = getattr(tensor, "shape", ())
            if (
                len(shape) > 2
                and shape[1] != 1
                and id(tensor) not in self.timed
            ):
                raise ValueError(
                    "A streamed tower must not be joined step by step with "
                    f"what is there as a whole. Received: `{layer.name}`, "
                    f"which adds {shape[1]} steps of another modality"
                )

    def _state(self, name, shape):
        name = f"{PREFIX}{name}"
        self.states[name] = keras.Input(shape, dtype="float32", name=name)
        return self.states[name]

    def _next(self, name, value):
        # A layer of its own: an output may not be an input as it came.
        keep = layers.Identity(name=f"next_{name}")
        self.following[f"{PREFIX}{name}"] = keep(value)

    def _recur(self, layer, x):
        names = [f"{layer.name}_h", f"{layer.name}_c"]
        names = names[: 2 if isinstance(layer, layers.LSTM) else 1]
        states = [self._state(name, (layer.units,)) for name in names]
        y, states = _Steps(layer)(x, states)
        for name, state in zip(names, states):
            self._next(name, state)
        return y

    def _convolve(self, layer, x):
        past = (layer.kernel_size[0] - 1) * layer.dilation_rate[0]
        return _Convolved(layer)(self._with_past(layer.name, x, past))

    def _frame(self, layer, x):
        past = layer.frame_length - layer.hop_length
        # The state is what the layer would have put before the samples.
        twin = {**layer.get_config(), "causal": False}
        frames = type(layer).from_config(twin)
        return frames(self._with_past(layer.name, x, past))

    def _with_past(self, name, x, count):
        if count == 0:
            return x
        past = self._state(name, (count, *x.shape[2:]))
        x, rest = _Past(count, name=f"{name}_with_past")(past, x)
        self._next(name, rest)
        return x

    def _mean(self, layer, x, mask=None):
        total = self._state(f"{layer.name}_sum", (x.shape[-1],))
        count = self._state(f"{layer.name}_count", (1,))
        mean = _RunningMean(name=f"{layer.name}_running")
        y, total, count = mean(x, total, count, mask)
        self._next(f"{layer.name}_sum", total)
        self._next(f"{layer.name}_count", count)
        return y


# What the replay adds are layers, with names of their own: an operation by
# itself may be called like one that the model has from another process.
class _Past(layers.Layer):
    """Puts the end of the step before in front of a step."""

    def __init__(self, count, **kwargs):
        super().__init__(**kwargs)
        self.count = count

    def call(self, past, x):
        x = ops.concatenate([past, x], axis=1)
        return x, x[:, -self.count :]


class _Convolved(layers.Layer):
    """A causal convolution of what its past stands in front of."""

    def __init__(self, layer):
        super().__init__(name=f"{layer.name}_convolved")
        self.inner = layer

    def call(self, x):
        # The padding is the state now, so nothing more is to be padded.
        y = ops.conv(
            x,
            self.inner.kernel,
            strides=self.inner.strides[0],
            padding="valid",
            dilation_rate=self.inner.dilation_rate[0],
        )
        y = y + self.inner.bias if self.inner.use_bias else y
        return self.inner.activation(y)


class _RunningMean(layers.Layer):
    """The mean of all steps so far, with their sum and their number."""

    def call(self, x, total, count, mask=None):
        mask = ops.ones_like(x[:, :, 0]) if mask is None else mask
        total = total + ops.sum(x * ops.expand_dims(mask, -1), axis=1)
        count = count + ops.sum(mask, axis=1, keepdims=True)
        return total / ops.maximum(count, 1), total, count


class _Steps(layers.Layer):
    """Runs a recurrent layer's cell, without a loop in the graph."""

    def __init__(self, layer):
        super().__init__(name=f"{layer.name}_steps")
        self.cell = layer.cell

    def call(self, x, states):
        found = []
        for i in range(x.shape[1]):
            y, states = self.cell(x[:, i], states)
            found.append(y)
        return ops.stack(found, axis=1), states


def _forward(layer) -> bool:
    return layer.return_sequences and not layer.go_backwards
