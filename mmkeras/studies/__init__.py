"""What is done with many runs: compare, tune, ensemble, label, retrieve."""
