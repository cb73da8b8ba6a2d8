"""What the tests of training share."""

import warnings

import pytest
import tensorflow as tf


@pytest.fixture
def eagerly():
    """Nothing is compiled: far quicker for a few steps of a small model."""
    tf.config.run_functions_eagerly(True)
    with warnings.catch_warnings():
        # tf.data stays a graph, and says so.
        warnings.filterwarnings("ignore", ".*run_functions_eagerly.*")
        yield
    tf.config.run_functions_eagerly(False)
