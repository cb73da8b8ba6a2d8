"""Fault 29: no child process imports from the current folder."""

import ast
import os
import subprocess
import sys
from pathlib import Path

import border_toys
import pytest

import mmkeras
from mmkeras.export import Isolated

PACKAGE = Path(mmkeras.__file__).parent
NAMES = ("json", "mmkeras", "numpy", "pydantic", "runpy", "subprocess",
         "sitecustomize", "usercustomize", "typing", "csv")  # fmt: skip


@pytest.fixture
def trap(tmp_path):
    """A folder of modules that leave a trace when they are run."""
    folder, trace = tmp_path / "trap", tmp_path / "trace"
    folder.mkdir()
    for name in NAMES:
        code = f"open({str(trace)!r}, 'a').write({name!r}); raise SystemExit(9)"
        (folder / f"{name}.py").write_text(code)
        (folder / name).mkdir()
        (folder / name / "__init__.py").write_text(code)
    return folder, trace


@pytest.mark.parametrize("searched", ["", ".", os.pathsep])
def test_workers_of_prepare_import_nothing_from_here(trap, tmp_path, searched):
    folder, trace = trap
    table = "id,t,c\n" + "".join(f"{i},a text,{i % 2}\n" for i in range(60))
    (tmp_path / "m.csv").write_text(table)
    (tmp_path / "s.toml").write_text(
        'name = "toy"\n[data]\nmanifest = "m.csv"\n[modalities.t]\n'
        'kind = "text"\ncolumn = "t"\nmax_tokens = 8\nvocabulary_size = 99\n'
        '[targets.c]\nkind = "category"\ncolumn = "c"\nclasses = ["0", "1"]\n'
    )
    # The command itself: the folder of an installed one is not this one.
    command = [sys.executable, "-P", "-m", "mmkeras.cli", "prepare",
               tmp_path / "s.toml", "--out", tmp_path / "out",
               "--workers", "2"]  # fmt: skip
    if not searched:
        done = subprocess.run(command, cwd=folder, capture_output=True)
    else:
        # Where the command itself would search here, so do its children not.
        code = (
            "import os, sys; from mmkeras.cli import main;"
            f"os.chdir({str(folder)!r}); sys.path[:0] = ['', {str(folder)!r}];"
            f"os.environ['PYTHONPATH'] = {searched!r};"
            f"sys.exit(main({[str(part) for part in command[4:]]!r}))"
        )
        code = f"import json, csv, numpy, pydantic, typing, subprocess;{code}"
        done = subprocess.run(
            [sys.executable, "-c", code], cwd=PACKAGE.parent,
            capture_output=True,
        )  # fmt: skip
    assert not trace.exists(), trace.read_text()
    assert done.returncode == 0, done.stderr.decode()


def test_the_worker_that_opens_files_imports_nothing_from_here(
    trap, monkeypatch
):
    folder, trace = trap
    model = border_toys.bundle() / "model.tflite"
    monkeypatch.chdir(folder)
    monkeypatch.setattr(sys, "path", ["", str(folder), *sys.path])
    monkeypatch.setenv("PYTHONPATH", str(folder))
    with Isolated(limit_sec=60) as isolated:
        isolated.open(model)
    assert not trace.exists(), trace.read_text()


STARTS = {"Popen", "run", "call", "check_call", "check_output", "Process",
          "ProcessPoolExecutor", "system", "popen", "posix_spawn"}  # fmt: skip


def test_all_children_are_started_in_one_place():
    """What holds of one command then holds of all."""
    starting = set()
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            called = getattr(node, "func", None)
            owner = getattr(getattr(called, "value", None), "id", None)
            if owner in ("subprocess", "os", "multiprocessing", "concurrent"):
                if called.attr in STARTS:
                    starting.add(str(path.relative_to(PACKAGE)))
    assert starting == {"processes.py"}
