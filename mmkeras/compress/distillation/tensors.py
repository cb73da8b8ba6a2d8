"""The inputs, logits and layer outputs of a model in distillation."""

import difflib
from collections.abc import Mapping, Sequence
from typing import Any

import keras
from keras import layers, ops

from mmkeras import keras_private as private


class Probe:
    """A model that also returns its logits and the outputs of its layers.

    Args:
        model: A functional model.
        paths: Layers to return: names from the model down, joined by `/`; where
            a layer gives a dict, its key comes last, as in
            `"image_tower/vector"` or `"image_tower/image_conv_1"`.
        optional: Names of the columns of the batch's `present`.
        role: What the model is called in messages.

    Raises:
        ValueError: If the model is not functional, or a path is not there.
    """

    def __init__(
        self,
        model: keras.Model,
        paths: Sequence[str] = (),
        optional: Sequence[str] = (),
        role: str = "student",
    ):
        if not isinstance(getattr(model, "inputs", None), list):
            raise ValueError(
                f"`{role}` must be a functional Keras model that is built. "
                f"Received: {type(model).__name__}"
            )
        self.role = role
        self.takes_dict = isinstance(model.input, Mapping)
        self.names = [tensor.name for tensor in model.inputs]
        self.columns = self._columns(model, list(optional))
        if paths:
            inputs, outputs, found = unfold(model)
        else:
            inputs, outputs, found = model.input, model.output, {}
        ends = {n: End(t) for n, t in by_name(outputs).items()}
        self.activations = {name: end.activation for name, end in ends.items()}
        self.scales = {name: end.scale for name, end in ends.items()}
        self.model = keras.Model(
            inputs,
            {
                "outputs": outputs,
                "logits": {n: e.logits for n, e in ends.items() if e.exact},
                "layers": {path: self._layer(found, path) for path in paths},
            },
        )

    def __call__(self, x: Any, training: bool) -> dict:
        return self.model(self.inputs(x), training=training)

    def inputs(self, x: Any) -> Any:
        """Returns what this model takes of a batch."""
        if not isinstance(x, Mapping) or not self.takes_dict:
            return x
        missing = [name for name in self.names if name not in x]
        if missing:
            raise ValueError(
                f"A batch must hold every input of the {self.role}: "
                f"{self.names}. Received: {sorted(x)}"
            )
        chosen = {name: x[name] for name in self.names}
        if self.columns is not None:
            chosen["present"] = ops.take(x["present"], self.columns, axis=1)
        return chosen

    def logits(
        self,
        found: dict,
        activations: Mapping[str, str],
        scales: Mapping[str, float],
    ) -> dict[str, Any]:
        """Returns `{target: logits}`, or numbers over their scale."""
        logits = {}
        for name, output in by_name(found["outputs"]).items():
            output = ops.cast(output, "float32")
            if activations[name] == "linear":
                logits[name] = output / scales[name]
            elif name in found["logits"]:
                logits[name] = ops.cast(found["logits"][name], "float32")
            else:
                logits[name] = from_probabilities(output, activations[name])
        return logits

    def _columns(self, model: keras.Model, optional: list) -> list | None:
        if "present" not in self.names or not optional:
            return None
        mine = [i for i, n in enumerate(optional) if n in self.names]
        width = model.inputs[self.names.index("present")].shape[-1]
        if len(mine) != width:
            raise ValueError(
                f"`optional` must name {width} of the {self.role}'s inputs "
                f"{self.names}, one a column of its `present`. "
                f"Received: {optional}"
            )
        return mine

    def _layer(self, found: dict, path: str) -> Any:
        if path not in found:
            near = difflib.get_close_matches(path, found, n=8, cutoff=0)
            raise ValueError(
                f"`{self.role}_layer_name` must be the path of a layer that "
                f"gives one tensor. Received: {path!r}. Nearest: {near}"
            )
        return found[path]


class End:
    """How an output is made: activation, scale, and the tensor of its logits.

    Activation and scale are None where the last layer does not show them.
    """

    def __init__(self, tensor: Any):
        history = private.history_of(tensor)
        operation = history.operation
        self.activation, self.scale = None, None
        self.exact, self.logits = False, tensor
        activation = getattr(operation, "activation", None)
        name = getattr(activation, "__name__", type(operation).__name__.lower())
        if name in ("softmax", "sigmoid"):
            self.activation = name
            # A Dense with an activation has no tensor of its logits.
            self.exact = not getattr(operation, "weights", ())
        elif name in ("linear", "unitnormalization"):
            self.activation = "linear"
        elif isinstance(operation, layers.Rescaling):
            self.activation, self.scale = "linear", float(operation.scale)
        elif isinstance(operation, keras.Model):
            inner = End(operation.outputs[history.tensor_index])
            self.activation, self.scale = inner.activation, inner.scale
        if self.exact:
            self.logits = private.node_of(tensor).input_tensors[0]


def by_name(outputs: Any) -> dict[str, Any]:
    """Returns `{target: tensor}`, whatever the model returns."""
    if isinstance(outputs, Mapping):
        return dict(outputs)
    flat = outputs if isinstance(outputs, (list, tuple)) else [outputs]
    return {f"output_{i}": tensor for i, tensor in enumerate(flat)}


def from_probabilities(probabilities: Any, activation: str) -> Any:
    """Returns logits of probabilities, as far as float32 holds them."""
    tiny = 1e-30
    logits = ops.log(ops.maximum(probabilities, tiny))
    if activation == "sigmoid":
        logits -= ops.log(ops.maximum(1 - probabilities, 1e-7))
    return logits


def average(logits: Sequence[Any], activation: str) -> Any:
    """Returns the logits of the averaged probabilities, or the mean."""
    if len(logits) == 1:
        return logits[0]
    stacked = ops.stack(logits)
    if activation == "linear":
        return ops.mean(stacked, axis=0)
    if activation == "softmax":
        return ops.logsumexp(ops.log_softmax(stacked), axis=0)
    yes = ops.logsumexp(ops.log_sigmoid(stacked), axis=0)
    return yes - ops.logsumexp(ops.log_sigmoid(-stacked), axis=0)


def unfold(model: keras.Model) -> tuple[Any, Any, dict[str, Any]]:
    """Runs a model symbolically, nested models layer by layer.

    Returns:
        New inputs, the outputs on them, and `{path: tensor}` of every layer.
    """
    inputs = keras.tree.map_structure(
        lambda x: keras.Input(batch_shape=x.shape, dtype=x.dtype, name=x.name),
        model.input,
    )
    found: dict[str, Any] = {}
    return inputs, _run(model, inputs, "", found), found


def _run(model: keras.Model, inputs: Any, path: str, found: dict) -> Any:
    def call(layer, *args, **kwargs):
        here = path + layer.name
        if isinstance(getattr(layer, "inputs", None), list):
            result = _run(layer, args[0], f"{here}/", found)
        else:
            result = layer(*args, **kwargs)
        if isinstance(result, Mapping):
            found.update(
                {f"{here}/{key}": each for key, each in result.items()}
            )
        else:
            found[here] = result
        return result

    return private.run_graph(private.graph_of(model), inputs, call_fn=call)
