"""Which weights are trained, at which rates, in which precision."""
