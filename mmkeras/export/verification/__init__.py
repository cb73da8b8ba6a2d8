"""Whether a file is still the model: measured on samples, against Keras."""
