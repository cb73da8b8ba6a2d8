"""From shards to `tf.data`: `load_data`."""
