"""How much each of several targets counts in training."""
