"""What the tests of training share."""

import pytest
from training_toys import running_eagerly


@pytest.fixture
def eagerly():
    """Nothing is compiled: far quicker for a few steps of a small model."""
    with running_eagerly():
        yield
