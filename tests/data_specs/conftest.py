"""The builders are scripts beside the specs, not part of the package."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "data_specs"))


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    """Runs each test in an empty folder, since builders write to ./data."""
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def source(tmp_path, monkeypatch) -> Path:
    """A whole source of avdigits, small enough for a quick test."""
    import avdigits
    import builder_toys

    monkeypatch.setattr(avdigits, "RECORDINGS", builder_toys.RECORDINGS)
    monkeypatch.setattr(avdigits, "PICTURES", builder_toys.PICTURES)
    return builder_toys.write_source(tmp_path / "source")
