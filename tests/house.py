"""Measures of the house: who imports whom, and who knows the names of kinds."""

import ast
import re
from functools import cache
from pathlib import Path

from mmkeras.spec import MODALITIES, TARGETS

PACKAGE = Path(__file__).parents[1] / "mmkeras"
GROUND = {
    *("arguments", "artefact", "escaping", "introspection", "keras_private"),
    *("options", "front_doors", "process_entry", "processes", "stopping"),
    *("values", "generation", "framework_errors"),
}
# Which rooms a room may import, from the ground up. A front door, the
# `__init__` of the package, and `cli` may import anything.
ROOMS = {
    "arguments": set(),
    "options": {"arguments", "values"},
    "values": set(),
    "front_doors": set(),
    "framework_errors": set(),
    "generation": set(),
    "introspection": {"options", "values"},
    "keras_private": set(),
    "process_entry": set(),
    "processes": {"process_entry"},
    "stopping": set(),
    "escaping": set(),
    "artefact": {"escaping", "stopping"},
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
    "runs": {
        *GROUND,
        "metrics", "spec", "data", "fusion", "heads", "model", "compress",
        "training", "evaluation",
    },
    # The contract of a part includes the files it ends in.
    "checks": {*GROUND, "metrics", "spec", "data", "towers", "export"},
    "studies": {
        *GROUND, "metrics", "reporting", "spec", "data", "heads", "model",
        "compress", "training", "evaluation", "export", "runs",
    },
}  # fmt: skip
# A file of a kind stands on the floor of the stage that asks for it.
STAGES = {
    "read": {"data"},
    "in_memory": {"data"},
    "learn": {"data"},
    "pretrained": {"data"},
    "recognise": {"data"},
    "augment": set(),
    "neighbours": {"towers"},
    "impulses": {"data"},
    "naive": set(),
    "window": {"data"},
    "build": {"towers", "heads", "model"},
    "show": {"reporting"},
    "pretext": {"training"},
    "profile": {"data"},
    "frame_decoding": set(),
    "notations": {"data"},
    "token_places": set(),
    "device": set(),
}
FILES = sorted(PACKAGE.rglob("*.py"))
# Who comes in from outside, and so by a front door.
GUESTS = sorted(
    path
    for folder in ("tests", "benchmarks", "notebooks", "docs", "data_specs")
    for suffix in ("py", "ipynb", "md")
    for path in (PACKAGE.parent / folder).rglob(f"*.{suffix}")
    # It shows what a guest must not do.
    if path.name != "test_imports.py"
)
FREE = {"__init__", "cli"}
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


# In a string all by itself, or in quotes in code that another process runs.
PATH = r"^mmkeras(?:\.\w+)+|'mmkeras(?:\.\w+)+'"


def is_inner(name: str) -> bool:
    """Whether a name is that of a file inside a room."""
    place = PACKAGE.parent.joinpath(*name.split(".")).with_suffix(".py")
    return name.count(".") > 1 and place.is_file()


@cache
def shown_by(door: Path) -> frozenset[str]:
    """Names that a front door lists: in a table, or in `__all__`."""
    names = set()
    for node in ast.walk(ast.parse(door.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Dict | ast.List):
            parts = node.keys if isinstance(node, ast.Dict) else node.elts
            names |= {p.value for p in parts if isinstance(p, ast.Constant)}
    return frozenset(names)


def inner_imports(path: Path) -> set[str]:
    """Files inside rooms that a test, a benchmark or a page imports.

    Code in strings, which another process runs, counts too.
    """
    text = path.read_text(encoding="utf-8")
    code = r"(?:\bfrom|\bimport|,)\s+(mmkeras(?:\.\w+)+)"
    names = set(re.findall(code, text))
    for room, shown in re.findall(
        r"\bfrom (mmkeras(?:\.\w+)*) import (\([^)]*\)|[\w, ]+)", text
    ):
        door = PACKAGE.parent.joinpath(*room.split("."), "__init__.py")
        names |= {
            f"{room}.{name}"
            for name in re.findall(r"\w+", shown)
            # Some files are called as the function in them, which is shown.
            if is_inner(f"{room}.{name}") and name not in shown_by(door)
        }
    return {name for name in names if is_inner(name)}


def inner_names(path: Path) -> set[str]:
    """Files inside rooms that a string of a test names, as `patch` does."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            for name in re.findall(PATH, node.value):
                parts = name.strip("'").split(".")
                found |= {
                    ".".join(parts[:end])
                    for end in range(3, len(parts) + 1)
                    if is_inner(".".join(parts[:end]))
                }
    return found


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


def upward() -> dict[str, list[str]]:
    """Rooms that a file imports though they are not below it, by file."""
    up = {}
    for path in FILES:
        place = str(path.relative_to(PACKAGE))
        if room_of(path) in FREE or place == COMMAND:
            continue
        rooms = {room_of(other) for other in neighbours(path)}
        more = rooms - allowed(path) - {room_of(path)}
        if more:
            up[place] = sorted(more)
    return up


def circle() -> list[str]:
    """Files that import themselves by way of others.

    A front door is made of its files, and so no part of a circle.
    """
    left = {
        path: {p for p in neighbours(path) if p.stem != "__init__"}
        for path in FILES
        if path.stem != "__init__"
    }
    while free := {p for p, needs in left.items() if not needs & set(left)}:
        left = {p: needs for p, needs in left.items() if p not in free}
    return sorted(str(path.relative_to(PACKAGE)) for path in left)


def lengths() -> dict[str, int]:
    """Lines of each file."""
    return {
        str(path.relative_to(PACKAGE)): len(
            path.read_text(encoding="utf-8").splitlines()
        )
        for path in FILES
    }


def uses(path: Path) -> int:
    """Returns how often a file compares with kinds, or lists several."""
    # A tower says by "mask" which of its tokens are real.
    names = {*MODALITIES.known, *TARGETS.known} - {"mask"}

    def named(node) -> bool:
        return isinstance(node, ast.Constant) and node.value in names

    def listed(node) -> int:
        parts = node.keys if isinstance(node, ast.Dict) else node.elts
        return sum(map(named, parts))

    def counts(node) -> bool:
        lists = (ast.Tuple, ast.List, ast.Set, ast.Dict)
        if isinstance(node, ast.Compare):
            sides = [node.left, *node.comparators]
            return any(
                named(side) or (isinstance(side, lists) and listed(side))
                for side in sides
            )
        return isinstance(node, lists) and listed(node) > 1

    tree = ast.parse(path.read_text(encoding="utf-8"))
    return sum(map(counts, ast.walk(tree)))


def knowers() -> dict[str, int]:
    """How often each file outside `kinds` uses the names of kinds."""
    counts = {
        str(path.relative_to(PACKAGE)): uses(path)
        for path in FILES
        if room_of(path) != "kinds"
    }
    return {name: count for name, count in counts.items() if count}
