"""How channels pass recurrent layers."""

from typing import Any

import numpy as np
from keras import layers

from mmkeras.compress.channels.flow import Flow, flows_in
from mmkeras.compress.channels.follow import Follow


def recurrent(
    follow: Follow, layer: Any, x: Flow, initial_state: Any = None, *_, **__
) -> Any:
    """A unit is removed with its gates and its part of the state."""
    if layer.stateful:
        return follow.unknown(layer, x, initial_state)
    units = _one_way(follow, layer, x)
    follow.tie(units, *flows_in([initial_state]))
    follow.width(layer, "units", units)
    return _outputs(follow, layer, x, units)


def both_ways(follow: Follow, layer: Any, x: Flow, *states: Any, **_) -> Any:
    """Units of both directions are removed in pairs: one number sets both."""
    ways = (layer.forward_layer, layer.backward_layer)
    if any(type(way) not in GATES for way in ways) or states:
        return follow.leave("directions without a rule", x)
    forward, backward = (_one_way(follow, way, x) for way in ways)
    follow.tie(forward, backward)

    def edit(config, count):
        for key in ("layer", "backward_layer"):
            config[key]["config"]["units"] = count

    follow.width(layer, edit, forward)
    outs = [_outputs(follow, ways[0], x, u) for u in (forward, backward)]
    if not ways[0].return_state:
        return _merged(follow, layer.merge_mode, outs)
    merged = _merged(follow, layer.merge_mode, [out[0] for out in outs])
    return [merged, *outs[0][1:], *outs[1][1:]]


def _merged(follow: Follow, mode: str | None, outs: list[Flow]) -> Any:
    if mode == "concat":
        return follow.join(outs)
    return outs if mode is None else follow.same(*outs)


def _one_way(follow: Follow, layer: Any, x: Flow) -> np.ndarray:
    cell = layer.cell
    units = follow.weight(cell.recurrent_kernel, 0)
    gates = np.tile(units, GATES[type(layer)])
    ins = follow.weight(cell.kernel, 0)
    follow.tie(x, ins)
    follow.tie(gates, follow.weight(cell.kernel, 1))
    follow.tie(gates, follow.weight(cell.recurrent_kernel, 1))
    if cell.bias is not None:
        follow.tie(gates, follow.weight(cell.bias, -1))
    steps = x.shape[1] or 1
    follow.cost(steps, ins, gates)
    follow.cost(steps, units, gates)
    return units


def _outputs(follow: Follow, layer: Any, x: Flow, units: np.ndarray) -> Any:
    state = follow.flow((x.shape[0], len(units)), units)
    out = state
    if layer.return_sequences:
        out = follow.flow((*x.shape[:2], len(units)), units)
    states = [state] * (2 if isinstance(layer, layers.LSTM) else 1)
    return [out, *states] if layer.return_state else out


GATES = {layers.SimpleRNN: 1, layers.GRU: 3, layers.LSTM: 4}
RECURRENT = {
    **dict.fromkeys(GATES, recurrent),
    layers.Bidirectional: both_ways,
}
