"""Who imports whom: the floors of the house, held over all files at once."""

import sys
from functools import cache
from pathlib import Path

import pytest
from house import (
    FILES,
    GROUND,
    GUESTS,
    PACKAGE,
    ROOMS,
    circle,
    file_of,
    imports,
    inner_imports,
    inner_names,
    lengths,
    room_of,
    upward,
)

from mmkeras.spec import MODALITIES, TARGETS

RUNNER = PACKAGE.parent / "export"
# Files of the package that travel to the device, by their name there.
SHARED = {
    name: path
    for kind in (*MODALITIES.known.values(), *TARGETS.known.values())
    for name, path in kind.device_shared().items()
}
# What drives a microphone or a camera, imported when it is asked for.
DEVICES = ("sounddevice", "picamera2", "cv2")
# They break functions of inner files in a process that is then killed.
KILLED = {"tests/export/test_stop.py", "tests/faults/test_fault_10.py"}
# What tests name in a string: most replace a limit or a step in it by its
# path, some look whether a process has loaded it. A name is added only where
# no argument and no file can bring about the same.
NAMED = {
    "data": {
        "demo", "files.media.films", "files.scan_folder", "files.media.sounds",
        "ingest.folder", "ingest.plan", "ingest.workers", "loading.load",
    },
    "export": {
        "bundle.device_code", "exporter", "worker.child", "worker.process",
    },
    "kinds": {"audio.read", "image.augment", "image.read", "volume.read"},
    "metrics": {"bootstrap"},
    "runs": {"setup"},
    "studies": {
        "compare.run", "ensemble.bagging_boosting", "label.pool",
        "retrieval.index", "tune.search", "tune.trial", "tune.workers",
    },
    "towers": {"logmel"},
    "training": {
        "stages.checkpoints", "stages.fusion_stage", "strategies.component",
    },
}  # fmt: skip


def test_imports_go_down_between_rooms():
    assert not upward()


def test_the_table_itself_has_no_circle():
    left = {**ROOMS, "kinds": {*GROUND, "metrics", "spec"}}
    while left:
        free = {room for room, needs in left.items() if not needs & set(left)}
        assert free, f"a circle among {sorted(left)}"
        left = {r: needs for r, needs in left.items() if r not in free}


def test_no_file_imports_itself_by_way_of_others():
    assert not circle()


def test_the_floors_see_imports_in_functions_and_of_names(tmp_path):
    path = tmp_path / "code.py"
    path.write_text(
        "import mmkeras.data\n"
        "def f():\n    from mmkeras.spec import load_spec\n",
        encoding="utf-8",
    )
    assert imports(path) == {"mmkeras.data", "mmkeras.spec.load_spec"}
    assert file_of("mmkeras.spec.load_spec").parent.name == "spec"


@cache
def packages(path: Path) -> frozenset[str]:
    """Top-level packages that a file imports."""
    return frozenset(name.split(".")[0] for name in imports(path))


def test_the_device_imports_nothing_of_mmkeras():
    runner = {file.stem for file in RUNNER.glob("*.py")}
    shared = SHARED.values()
    known = {"numpy", "ai_edge_litert", "PIL", *DEVICES, *runner}
    known |= {path.stem for path in shared}
    files = *RUNNER.glob("*.py"), *PACKAGE.glob("kinds/*/device.py"), *shared
    for path in files:
        assert packages(path) <= known | sys.stdlib_module_names, path


@pytest.mark.parametrize("kind", [*MODALITIES.known, *TARGETS.known])
def test_a_kind_names_the_files_that_its_device_imports(kind):
    cls = {**MODALITIES.known, **TARGETS.known}[kind]
    uses = cls.device_uses
    # What depends on the keys of the table is tested with its bundle.
    names = () if isinstance(uses, property) else uses
    needed = {
        f"{name}.py"
        for name in packages(cls.device_path())
        if (RUNNER / f"{name}.py").is_file()
    }
    if not isinstance(uses, property):
        assert needed - {"validation.py"} <= set(names)
    assert all((RUNNER / name).is_file() for name in names)
    # And what those import in turn.
    used = [cls.device_path(), *(RUNNER / name for name in names)]
    modules = frozenset().union(*map(packages, used))
    shared = {f"{name}.py" for name in modules} & set(SHARED)
    assert shared == set(cls.device_shared())


def test_tensorflow_is_imported_only_where_it_is_needed():
    rooms = {room_of(path) for path in FILES if "tensorflow" in packages(path)}
    assert rooms <= {
        "checks", "data", "export", "keras_private", "kinds", "training",
    }  # fmt: skip


def test_no_file_is_longer_than_a_reader_can_hold():
    assert not {name: n for name, n in lengths().items() if n > 300}


def test_there_is_no_utils_module():
    assert not list(PACKAGE.rglob("utils*"))


def test_guests_come_in_by_the_front_doors(capsys):
    """A test imports a room, or an inner room; never a file inside.

    What it needs is offered by the `__init__`, lazily where there is a table;
    files of a kind are reached by `Kind.part`.
    """
    found = {
        str(path.relative_to(PACKAGE.parent)): sorted(inner_imports(path))
        for path in GUESTS
    }
    found = {path: names for path, names in found.items() if names}
    assert set(found) == KILLED, found
    named = {
        name
        for path in GUESTS
        if path.suffix == ".py"
        for name in inner_names(path)
    }
    known = {
        f"mmkeras.{r}.{name}" for r, names in NAMED.items() for name in names
    }
    assert named == known, named ^ known
    with capsys.disabled():
        print(f"\nby other ways than doors: {len(KILLED)} files import,")
        print(f"and strings name {len(named)} inner modules")


def test_a_guest_who_climbs_in_is_seen(tmp_path):
    path = tmp_path / "guest.py"
    path.write_text(
        "from mmkeras.data import demo, load_data\n"
        "from mmkeras.evaluation import predict\n"
        'code = "from mmkeras.data.ingest.plan import samples_per_shard"\n'
        'monkeypatch.setattr("mmkeras.runs.setup.load_data", None)\n',
        encoding="utf-8",
    )
    assert inner_imports(path) == {
        "mmkeras.data.demo", "mmkeras.data.ingest.plan",
    }  # fmt: skip
    assert inner_names(path) == {"mmkeras.runs.setup"}
