"""`import mmkeras`: what it shows, and how little it imports."""

import configparser
import importlib
import inspect
import subprocess
import sys
from pathlib import Path

import pytest

import mmkeras

PACKAGE = Path(mmkeras.__file__).parent
HEAVY = {"keras", "numpy", "pandas", "pydantic", "tensorflow", "typer"}
# Imports nothing but what it needs to look, so that a name is really new.
LOOK = """
import sys, time
start = time.perf_counter()
import mmkeras
print(time.perf_counter() - start)
print(sorted(set(sys.modules) & {heavy}))
"""


def look() -> tuple[float, str]:
    """Seconds that the import takes, and what it brings along."""
    done = subprocess.run(
        [sys.executable, "-c", LOOK.format(heavy=HEAVY)],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    seconds, imported = done.stdout.splitlines()
    return float(seconds), imported


def test_it_is_imported_in_no_time():
    found = [look() for _ in range(5)]
    assert {imported for _, imported in found} == {"[]"}
    # The quickest one: this computer may be busy with other things.
    assert min(seconds for seconds, _ in found) <= 0.1


def test_every_room_can_be_entered():
    rooms = {path.parent.name for path in PACKAGE.glob("*/__init__.py")}
    # What commands and all rooms stand on has no part in a notebook.
    assert rooms - {"artefact", "cli", "commands"} <= set(mmkeras.__all__)
    for path in (
        "fusion.MulT", "heads.Ordinal", "compress.prune", "metrics.Figures",
        "towers.image_tower", "spec.DataSpec", "data.load_data",
        "export.Settings", "kinds.image.Image", "training.FullFineTune",
    ):  # fmt: skip
        found = mmkeras
        for name in path.split("."):
            found = getattr(found, name)
        assert found.__name__ == path.split(".")[-1]


def test_what_is_shown_is_there():
    assert set(mmkeras.__all__) <= set(dir(mmkeras))
    for name in mmkeras.__all__:
        assert getattr(mmkeras, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'fusions'"):
        mmkeras.fusions


def test_every_door_opens_on_what_it_names():
    doors = 0
    for path in sorted(PACKAGE.rglob("__init__.py")):
        place = path.parent.relative_to(PACKAGE.parent)
        door = importlib.import_module(".".join(place.parts))
        for name in getattr(door, "__all__", ()):
            # A module hides the name that it shares, once it is imported.
            room = door is mmkeras and (PACKAGE / name).is_dir()
            assert inspect.ismodule(getattr(door, name)) == room, (door, name)
            if "front_door(" in path.read_text(encoding="utf-8"):
                assert not (path.parent / f"{name}.py").exists(), (door, name)
                doors += 1
    assert doors > 200


def test_type_checkers_are_told_of_the_types():
    assert (PACKAGE / "py.typed").is_file()
    settings = configparser.ConfigParser()
    settings.read(PACKAGE.parent / "setup.cfg")
    assert "py.typed" in settings["options.package_data"]["mmkeras"]
