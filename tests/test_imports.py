"""Who imports whom: the table of the design, held."""

import ast
import sys
from pathlib import Path

import pytest

from mmkeras.spec import MODALITIES, TARGETS

PACKAGE = Path(__file__).parents[1] / "mmkeras"
RUNNER = PACKAGE.parent / "export"
# What drives a microphone or a camera, imported when it is asked for.
DEVICES = ("sounddevice", "picamera2", "cv2")
# The ground floor: anyone may stand on it, and it knows nothing of the rest.
GROUND = {"arguments", "artefact", "processes"}
ALLOWED = {
    **{part: set() for part in GROUND},
    "metrics": set(),
    "spec": {"metrics"},
    "towers": set(),
    "fusion": set(),
    "heads": set(),
    "reporting": set(),
    "evaluation": {"metrics", "reporting"},
    "compress": set(),
    "data": {"spec", "kinds"},
    "model": {"spec", "towers", "fusion", "heads"},
    "training": {"heads", "spec"},
    "export": {"metrics", "spec", "compress"},
    # The contract of a part includes the files it ends in.
    "checks": {"export"},
}
# Where a command starts: these put the parts together.
ENTRY_POINTS = {
    "__init__.py",
    "begin.py",
    "cli.py",
    "runs.py",
    "export/__main__.py",
    "export/worker/child.py",
}
# What a command does, where it takes a folder: these put the parts together
# too, and know nothing of the command line.
WHOLES = {"commands", "studies"}
# The files of a kind stand on the floor of the stage that asks for them.
KIND_FLOORS = {
    "__init__": {"metrics", "spec"},
    "read": {"spec", "data"},
    "augment": {"spec"},
    "build": {"spec", "towers", "heads", "fusion"},
    "head": {"spec", "heads"},
    "measure": {"metrics", "spec"},
    "show": {"spec", "reporting"},
    "pretext": {"spec", "training"},
    "device": set(),
}
FILES = sorted(PACKAGE.rglob("*.py"))


def imported_parts(path: Path) -> set[str]:
    """Parts of mmkeras that a file imports, also inside functions."""
    parts = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"relative import in {path}"
            names = [node.module]
            if node.module == "mmkeras":
                names = [f"mmkeras.{alias.name}" for alias in node.names]
        else:
            continue
        parts |= {n.split(".")[1] for n in names if n.startswith("mmkeras.")}
    return parts


@pytest.mark.parametrize(
    "path", FILES, ids=lambda p: str(p.relative_to(PACKAGE))
)
def test_imports_only_what_the_table_allows(path):
    relative = path.relative_to(PACKAGE)
    if str(relative) in ENTRY_POINTS:
        return
    part = relative.parts[0].removesuffix(".py")
    imported = imported_parts(path) - {part} - GROUND
    if part in GROUND:
        assert imported_parts(path) - {part} <= {"arguments"}
    if part == "kinds":
        assert imported <= KIND_FLOORS.get(path.stem, {"spec", "metrics"})
        return
    if part in WHOLES:
        assert not imported & {"cli", "commands"}
        return
    assert imported <= ALLOWED[part]


def plain_imports(path: Path) -> set[str]:
    """Top-level packages that a file imports, also inside functions."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names.add(node.module)
    return {name.split(".")[0] for name in names}


@pytest.mark.parametrize(
    "path",
    [*RUNNER.glob("*.py"), *PACKAGE.glob("kinds/*/device.py")],
    ids=lambda path: f"{path.parent.name}/{path.name}",
)
def test_the_device_imports_nothing_of_mmkeras(path):
    runner = {file.stem for file in RUNNER.glob("*.py")}
    others = {"numpy", "ai_edge_litert", "PIL", *DEVICES}
    assert plain_imports(path) <= runner | others | sys.stdlib_module_names


@pytest.mark.parametrize("kind", [*MODALITIES.known, *TARGETS.known])
def test_a_kind_names_the_files_that_its_device_imports(kind):
    cls = {**MODALITIES.known, **TARGETS.known}[kind]
    uses = cls.device_uses
    # What depends on the keys of the table is tested with its bundle.
    names = () if isinstance(uses, property) else uses
    needed = {
        f"{name}.py"
        for name in plain_imports(cls.device_path())
        if (RUNNER / f"{name}.py").is_file()
    }
    if not isinstance(uses, property):
        assert needed - {"validation.py"} <= set(names)
    assert all((RUNNER / name).is_file() for name in names)


@pytest.mark.parametrize("path", FILES, ids=str)
def test_tensorflow_is_imported_only_where_it_is_needed(path):
    imports = {
        name.split(".")[0]
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        for name in (
            [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else [node.module or ""]
            if isinstance(node, ast.ImportFrom)
            else []
        )
    }
    allowed = ("checks", "data", "export", "training")
    if path.relative_to(PACKAGE).parts[0] not in allowed:
        assert "tensorflow" not in imports


def test_there_is_no_utils_module():
    assert not list(PACKAGE.rglob("utils*"))
