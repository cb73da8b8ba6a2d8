"""Training with the rounding of an int8 file."""
