"""What all tests share: where the real data are, and a quiet Keras."""

import gc
import os
from pathlib import Path

import pytest

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("KERAS_BACKEND", "tensorflow")
# No test may reach for a network: a hub that is asked must fail at once.
os.environ.setdefault("HF_HUB_OFFLINE", "1")

ROOT = Path(__file__).parents[1]


# The slowest files, longest first: one that begins last keeps one core busy.
SLOWEST = (
    "test_pairs.py",
    "test_notebooks.py",
    "test_contract.py",
    "test_qat_file.py",
    "test_golden.py",
    "test_fault_02.py",
    "test_ensembles.py",
    "test_pruning.py",
)


def pytest_collection_modifyitems(items):
    """The slowest files first, the others in their order."""
    place = {name: i for i, name in enumerate(SLOWEST)}
    items.sort(key=lambda item: place.get(item.path.name, len(place)))


def pytest_collection_finish():
    """Spares the garbage collector what is imported and so never garbage.

    TensorFlow's million objects are walked through at every conversion to
    TFLite, and whenever a model is traced: half a second each time.
    """
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder with the real data sets, beside the checkout."""
    folder = ROOT.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("needs the real data sets in ../shared/data")
    return folder
