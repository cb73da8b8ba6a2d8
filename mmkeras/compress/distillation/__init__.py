"""A small model learns what a large one answers."""
