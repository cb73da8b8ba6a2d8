"""What the tests of the export share."""

import pytest
from export.export_toys import runner


@pytest.fixture(scope="session")
def runner_module():
    """The module `run.py` of the toy bundle, imported here."""
    return runner()
