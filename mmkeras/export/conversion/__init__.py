"""From Keras to files, and what can be read off a file."""
