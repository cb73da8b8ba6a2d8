"""Who imports whom: the floors of the house, held over all files at once."""

import ast
import sys
from functools import cache
from pathlib import Path

import pytest

from mmkeras.spec import MODALITIES, TARGETS

PACKAGE = Path(__file__).parents[1] / "mmkeras"
RUNNER = PACKAGE.parent / "export"
# What drives a microphone or a camera, imported when it is asked for.
DEVICES = ("sounddevice", "picamera2", "cv2")
GROUND = {
    *("arguments", "artefact", "keras_private", "options", "processes"),
    "values",
}
# Which rooms a room may import, from the ground up. A front door, the
# `__init__` of the package, and `cli` may import anything.
ROOMS = {
    "arguments": set(),
    "options": {"arguments", "values"},
    "values": set(),
    "keras_private": set(),
    "processes": set(),
    "artefact": set(),
    "metrics": {"arguments"},
    "reporting": {"arguments"},
    "spec": {*GROUND, "metrics"},
    "kinds": set(),  # By the stage of a file, below.
    "data": {*GROUND, "spec", "kinds"},
    "towers": GROUND,
    "fusion": GROUND,
    "heads": GROUND,
    "model": {*GROUND, "spec", "towers", "fusion", "heads"},
    "compress": GROUND,
    "training": {*GROUND, "spec", "heads"},
    "evaluation": {*GROUND, "metrics", "reporting"},
    "export": {*GROUND, "metrics", "spec", "model", "compress"},
    "begin": {*GROUND, "spec", "data", "model", "training"},
    "runs": {
        *GROUND,
        "begin", "metrics", "spec", "data", "model", "compress", "training",
        "evaluation",
    },
    # The contract of a part includes the files it ends in.
    "checks": {*GROUND, "metrics", "spec", "data", "export"},
    "studies": {
        *GROUND, "metrics", "reporting", "spec", "data", "heads", "model",
        "compress", "training", "evaluation", "export", "begin", "runs",
    },
}  # fmt: skip
# A file of a kind stands on the floor of the stage that asks for it.
STAGES = {
    "read": {"data"},
    "augment": set(),
    "build": {"towers", "heads", "model"},
    "show": {"reporting"},
    "pretext": {"training"},
    "device": set(),
}
FILES = sorted(PACKAGE.rglob("*.py"))
FREE = {"__init__", "cli", "commands"}
# Starts a command, as `cli` does.
COMMAND = "export/__main__.py"


def room_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


@cache
def imports(path: Path) -> frozenset[str]:
    """Modules that a file imports, also inside functions; absolute names."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"relative import in {path}"
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return frozenset(names)


def file_of(name: str) -> Path | None:
    """The file of a module of mmkeras, or of what is imported from one."""
    place = PACKAGE.parent.joinpath(*name.split("."))
    for path in (
        place / "__init__.py",
        place.with_suffix(".py"),
        place.parent / "__init__.py",
        place.parent.with_suffix(".py"),
    ):
        if path.is_file():
            return path
    return None


@cache
def neighbours(path: Path) -> frozenset[Path]:
    """Files of mmkeras that a file imports."""
    found = {
        file_of(name)
        for name in imports(path)
        if name.split(".")[0] == "mmkeras"
    }
    return frozenset(found - {None, path})


def allowed(path: Path) -> set[str]:
    room = room_of(path)
    if room != "kinds" or path.stem == "__init__":
        return ROOMS[room] if room != "kinds" else {*GROUND, "metrics", "spec"}
    return {*GROUND, "metrics", "spec", *STAGES.get(path.stem, set())}


def test_imports_go_down_between_rooms():
    up = {}
    for path in FILES:
        place = str(path.relative_to(PACKAGE))
        if room_of(path) in FREE or place == COMMAND:
            continue
        rooms = {room_of(other) for other in neighbours(path)}
        more = rooms - allowed(path) - {room_of(path)}
        if more:
            up[place] = sorted(more)
    assert not up


def test_the_table_itself_has_no_circle():
    left = {**ROOMS, "kinds": {*GROUND, "metrics", "spec"}}
    while left:
        free = {room for room, needs in left.items() if not needs & set(left)}
        assert free, f"a circle among {sorted(left)}"
        left = {r: needs for r, needs in left.items() if r not in free}


def test_no_file_imports_itself_by_way_of_others():
    """A front door is made of its files, and so no part of a circle."""
    left = {
        path: {p for p in neighbours(path) if p.stem != "__init__"}
        for path in FILES
        if path.stem != "__init__"
    }
    while left:
        free = {p for p, needs in left.items() if not needs & set(left)}
        assert free, sorted(str(p.relative_to(PACKAGE)) for p in left)
        left = {p: needs for p, needs in left.items() if p not in free}


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
    known = {"numpy", "ai_edge_litert", "PIL", *DEVICES, *runner}
    for path in (*RUNNER.glob("*.py"), *PACKAGE.glob("kinds/*/device.py")):
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


def test_tensorflow_is_imported_only_where_it_is_needed():
    rooms = {room_of(path) for path in FILES if "tensorflow" in packages(path)}
    assert rooms <= {
        "checks", "data", "export", "keras_private", "kinds", "training",
    }  # fmt: skip


def test_no_file_is_longer_than_a_reader_can_hold():
    long = {
        str(path.relative_to(PACKAGE)): lines
        for path in FILES
        if (lines := len(path.read_text(encoding="utf-8").splitlines())) > 300
    }
    assert not long


def test_there_is_no_utils_module():
    assert not list(PACKAGE.rglob("utils*"))
