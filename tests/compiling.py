"""Toys that are compiled for a short training."""

from mmkeras import keras_private as private


def compiled(model, batch, optimizer, loss=None, **options):
    """Compiles a toy so that its first step is traced once.

    Without XLA, as strategies train on a CPU, and with the variables of
    optimizer and metrics: the first step would create them otherwise, and
    TensorFlow trace it again. Both take longer than the steps of a toy.

    Args:
        model: The model.
        batch: Samples as `fit` gets them, `(x, y)` or `(x, y, weights)`.
        optimizer: As for `compile`.
        loss: As for `compile`.
        **options: Further arguments of `compile`.
    """
    model.compile(optimizer, loss, jit_compile=False, **options)
    counts = bool(options) or (isinstance(loss, dict) and len(loss) > 1)
    if model.run_eagerly:
        # Nothing is traced.
        return model
    if counts:
        private.create_variables(model, batch)
    else:
        model.optimizer.build(model.trainable_variables)
    return model


def forward(model, x):
    """Returns the outputs by name; no graph is built to be run once."""
    return {k: v.numpy() for k, v in model(x, training=False).items()}
