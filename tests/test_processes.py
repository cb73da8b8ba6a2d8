"""Child processes: what they find, what they import first, how they end."""

import ast
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from mmkeras import process_entry, processes

PACKAGE = Path(processes.__file__).parent
# A module of the user: what a child calls, and a kind of its own.
SHOW = """
import json, os, sys
from mmkeras import processes

processes.adopt(__name__)

def main(*arguments):
    import mmkeras
    print(json.dumps({
        "arguments": arguments, "argv": sys.argv, "package": mmkeras.__file__,
        "modules": sorted(sys.modules), "adopted": processes.adopted(),
        "environment": dict(os.environ), "path": sys.path,
    }))
"""
STUCK = """
import os, sys, time
from mmkeras import processes

def main(moment=""):
    print(os.getpid(), flush=True)
    time.sleep(60)
"""


@pytest.fixture
def module(tmp_path, monkeypatch):
    """Writes and imports a module from a folder on the path."""
    folder = tmp_path / "modules"
    folder.mkdir()
    monkeypatch.syspath_prepend(str(folder))

    def write(name, text):
        file = folder.joinpath(*name.split(".")).with_suffix(".py")
        file.parent.mkdir(exist_ok=True)
        file.write_text(text)
        monkeypatch.delitem(sys.modules, name, raising=False)
        __import__(name)
        return name

    with processes.adoptions():
        yield write
    for name in list(sys.modules):
        file = getattr(sys.modules[name], "__file__", None)
        if file and Path(file).is_relative_to(folder):
            del sys.modules[name]


def shown_by(name, *arguments, **options):
    with processes.running(
        name, *arguments, stdout=subprocess.PIPE, text=True, **options
    ) as child:
        text, _ = child.communicate(timeout=60)
    assert child.returncode == 0
    return json.loads(text)


def test_a_child_calls_main_of_this_very_package(module):
    found = shown_by(module("shown_a", SHOW), "one", "two")
    assert found["arguments"] == ["one", "two"]
    assert found["argv"] == ["shown_a", "one", "two"]
    assert found["package"] == str(PACKAGE / "__init__.py")
    heavy = {"keras", "tensorflow", "numpy", "pydantic"}
    assert not heavy & set(found["modules"])


@pytest.mark.parametrize("variable", ["", os.pathsep, ".", "HERE"])
def test_the_current_folder_is_not_searched(
    module, tmp_path, monkeypatch, variable
):
    here = tmp_path / "here"
    here.mkdir()
    for name in ("json", "runpy", "numpy", "mmkeras"):
        (here / f"{name}.py").write_text("raise SystemExit(9)")
    name = module("shown_b", SHOW)
    monkeypatch.chdir(here)
    monkeypatch.setattr(sys, "path", ["", str(here), *sys.path])
    monkeypatch.setenv("PYTHONPATH", variable.replace("HERE", str(here)))
    found = shown_by(name)
    assert not {"", ".", str(here)} & set(found["path"])
    assert "PYTHONPATH" not in found["environment"]


def test_another_entry_of_the_path_is_kept(module, tmp_path, monkeypatch):
    name = module("shown_c", SHOW)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([".", str(tmp_path)]))
    found = shown_by(name)
    assert found["environment"]["PYTHONPATH"] == str(tmp_path)
    assert str(tmp_path) in found["path"]


def test_adopted_modules_are_imported_first(module, tmp_path, monkeypatch):
    module("kinds_d", "from mmkeras import processes as p; p.adopt(__name__)")
    module("of_mine.kinds_e", "import kinds_d")
    processes.adopt("of_mine.kinds_e")
    processes.adopt("mmkeras.kinds.image")
    assert processes.adopted() == ["kinds_d", "of_mine.kinds_e"]
    name = module("shown_d", SHOW)
    # The child has to find them by their files.
    monkeypatch.setattr(
        sys, "path", [path for path in sys.path if "modules" not in path]
    )
    found = shown_by(name)
    assert {"kinds_d", "of_mine.kinds_e"} <= set(found["modules"])
    # It could start children of its own.
    assert found["adopted"] == ["kinds_d", "shown_d"]
    assert found["path"][-1] == str(tmp_path / "modules")


def test_a_child_can_do_without_them(module):
    processes.adopt("__main__")
    found = shown_by(module("shown_f", SHOW), modules=())
    assert found["adopted"] == ["shown_f"]


def test_adoptions_are_forgotten():
    before = processes.adopted()
    with processes.adoptions():
        processes.adopt("something")
        assert processes.adopted() == [*before, "something"]
    assert processes.adopted() == before


@pytest.mark.parametrize("name", ["__main__", "typed_at_the_prompt"])
def test_classes_of_a_notebook_are_refused(name):
    with processes.adoptions():
        processes.adopt(name)
        with pytest.raises(ValueError, match=f"`{name}`, the script or"):
            processes.start("mmkeras.data.ingest.workers")


def test_a_module_hidden_by_another_is_refused(tmp_path):
    (tmp_path / "textwrap.py").write_text("")
    place = ("textwrap", str(tmp_path / "textwrap.py"))
    with pytest.raises(ValueError, match="must have a name of its own"):
        process_entry.import_places([place])
    sys.path.remove(str(tmp_path))


def test_the_environment_is_what_was_asked_for(module, monkeypatch):
    name = module("shown_g", SHOW)
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    asked = {"backend": "jax", "gpu": False, "threads": 1}
    found = shown_by(name, variables={"MINE": "3"}, **asked)["environment"]
    assert found["KERAS_BACKEND"] == "jax"
    assert found["CUDA_VISIBLE_DEVICES"] == "-1"
    assert found["OMP_NUM_THREADS"] == "1" and found["MINE"] == "3"
    assert shown_by(name)["environment"]["OMP_NUM_THREADS"] == "7"


def is_gone(number: int) -> bool:
    """Whether a process ends within some seconds."""
    end = time.monotonic() + 10
    while time.monotonic() < end:
        try:
            os.kill(number, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.05)
    return False


def test_a_child_ends_with_its_parent(module, tmp_path):
    module("stuck_h", STUCK)
    code = (
        "import subprocess, sys; sys.path.append(sys.argv[1])\n"
        "from mmkeras import processes\n"
        "processes.start('stuck_h').wait()"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", code, tmp_path / "modules"],
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    child = int(parent.stdout.readline())
    os.kill(child, signal.SIGINT)
    time.sleep(0.3)
    os.kill(child, 0)  # Ctrl-C is the parent's.
    parent.kill()
    parent.wait()
    parent.stdout.close()
    assert is_gone(child)


def test_a_child_ends_at_the_end(module):
    name = module("stuck_i", STUCK)
    with pytest.raises(KeyboardInterrupt):
        with processes.running(name, stdout=subprocess.PIPE) as child:
            number = int(child.stdout.readline())
            raise KeyboardInterrupt
    assert child.returncode == -signal.SIGKILL
    assert child.stdout.closed and is_gone(number)


def test_a_child_that_takes_too_long_is_killed(module):
    with (
        processes.running(module("stuck_j", STUCK), stdout=-3) as child,
        processes.limited(child, 0.5) as late,
    ):
        code = child.wait(timeout=30)
    assert late.is_set()
    assert processes.spell_code(code) == "signal 9 (SIGKILL)"
    with (
        processes.running(module("shown_j", SHOW), stdout=-3) as child,
        processes.limited(child, 60) as late,
    ):
        code = child.wait(timeout=30)
    assert not late.is_set()
    assert processes.spell_code(code) == "exit code 0"


def test_no_other_module_starts_processes():
    starters = ("Popen", "run", "call", "check_output", "fork", "system")
    for path in PACKAGE.rglob("*.py"):
        if path.name == "processes.py":
            continue
        text = path.read_text(encoding="utf-8")
        assert "multiprocessing import" not in text, path
        for node in ast.walk(ast.parse(text)):
            called = getattr(node, "func", None)
            if getattr(called, "attr", "") in starters:
                of = getattr(called.value, "id", "")
                assert of not in ("subprocess", "os"), path
