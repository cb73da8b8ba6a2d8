"""From a manifest to shards: `prepare`, and the processes it starts."""
