"""Masks that follow their picture."""


def move(mask, labels, weights, moves):
    """Takes, for each pixel, what lay under its centre before the move.

    What came from outside is unknown: the picture has been filled there.
    """
    import tensorflow as tf

    size = mask.shape
    axes = [tf.range(n, dtype=tf.float32) + 0.5 for n in size]
    # Rows first, places x first.
    centres = tf.meshgrid(*axes, indexing="ij")[::-1]
    centres.append(tf.ones_like(centres[0]))
    centres = tf.reshape(tf.stack(centres), (1, len(size) + 1, -1))
    places = (moves.affine(len(size)) @ centres)[:, :-1]
    index = tf.cast(tf.floor(places), tf.int32)
    whole = tf.constant(size[::-1])[:, None]
    inside = tf.reduce_all((index >= 0) & (index < whole), axis=1)
    index = tf.clip_by_value(index, 0, whole - 1)
    flat = index[:, 0]
    step = size[-1]
    for axis in range(1, len(size)):
        flat += index[:, axis] * step
        step *= size[-1 - axis]
    batch = tf.shape(labels)[0]
    count = labels.shape[1:].num_elements()
    flat = tf.broadcast_to(flat, (batch, count))
    found = tf.gather(tf.reshape(labels, (batch, count)), flat, batch_dims=1)
    unknown = tf.constant(mask.unlabelled, labels.dtype)
    found = tf.where(inside, found, unknown)
    return tf.reshape(found, (-1, *size)), weights
