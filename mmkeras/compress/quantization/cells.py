"""Recurrent cells whose two products are rounded, as in an int8 file.

The file multiplies the step's input and the state by one kernel each, in
integers, and computes the gates in float.
"""

from keras import layers, ops, tree


def step_of(cell, enter, leave):
    """Returns a replacement for `cell.call`.

    Args:
        cell: GRUCell (`reset_after`), LSTMCell or SimpleRNNCell.
        enter: function of a tensor and the name of the kernel it will be
            multiplied by; rounds.
        leave: the same for the product.
    """
    gates = {
        layers.GRUCell: _gru,
        layers.LSTMCell: _lstm,
        layers.SimpleRNNCell: _simple,
    }[type(cell)]

    def call(inputs, states, training=False):
        nested = tree.is_nested(states)
        states = list(states) if nested else [states]
        if training and cell.dropout:
            inputs = inputs * cell.get_dropout_mask(inputs)
        state = states[0]
        if training and type(cell) is layers.SimpleRNNCell:
            mask = cell.get_recurrent_dropout_mask(state)
            state = state if mask is None else state * mask
        first, second = products(cell, inputs, state, enter, leave)
        output, states = gates(cell, first, second, states)
        return output, states if nested else states[0]

    return call


def products(cell, inputs, state, enter, leave):
    """Returns input and state, each multiplied by its kernel.

    Call arguments: `inputs` `(..., features)`, `state` `(..., units)`.
    """
    first = ops.matmul(enter(inputs, "kernel"), cell.kernel)
    second = ops.matmul(enter(state, "recurrent_kernel"), cell.recurrent_kernel)
    if cell.use_bias and type(cell) is layers.GRUCell:
        own, recurrent = ops.split(cell.bias, 2, axis=0)
        first = first + ops.squeeze(own, 0)
        second = second + ops.squeeze(recurrent, 0)
    elif cell.use_bias and type(cell) is layers.SimpleRNNCell:
        first = first + cell.bias
    return leave(first, "kernel"), leave(second, "recurrent_kernel")


def _gru(cell, first, second, states):
    first, second = ops.split(first, 3, -1), ops.split(second, 3, -1)
    update = cell.recurrent_activation(first[0] + second[0])
    reset = cell.recurrent_activation(first[1] + second[1])
    new = cell.activation(first[2] + reset * second[2])
    output = update * states[0] + (1 - update) * new
    return output, [output]


def _lstm(cell, first, second, states):
    gates = first + second
    if cell.use_bias:
        # The file adds it to the sum, in float.
        gates = gates + cell.bias
    own, forget, new, out = ops.split(gates, 4, -1)
    own, forget, out = map(cell.recurrent_activation, (own, forget, out))
    carry = forget * states[1] + own * cell.activation(new)
    output = out * cell.activation(carry)
    return output, [output, carry]


def _simple(cell, first, second, states):
    output = cell.activation(first + second)
    return output, [output]


def loop_of(layer, observe=None):
    """Returns a replacement for `layer.inner_loop` that sees every state.

    Ranges cannot be learned inside a loop on every backend: the states are
    read from the outputs.

    Args:
        layer: GRU, LSTM or SimpleRNN.
        observe: function of all inputs `(batch, steps, features)` and all
            states they met `(batch, steps, units)`, if these are wanted.
    """

    def inner_loop(sequences, initial_state, mask, training=False):
        returned = layer.return_sequences
        layer.return_sequences = returned or observe is not None
        try:
            # Not `layer.inner_loop`: on a GPU it would pass over the cell.
            last, outputs, states = layers.RNN.inner_loop(
                layer, sequences, initial_state, mask, training
            )
        finally:
            layer.return_sequences = returned
        if observe is not None:
            first = ops.expand_dims(tree.flatten(initial_state)[0], 1)
            met = ops.concatenate([first, outputs[:, :-1]], axis=1)
            observe(sequences, met)
        return last, outputs if returned else last, states

    return inner_loop
