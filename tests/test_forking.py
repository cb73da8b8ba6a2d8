"""A child that is forked is the child that would have been started."""

import json
import os
import resource
import signal
import subprocess
import sys

import forking
import pytest

from mmkeras import processes

pytestmark = pytest.mark.skipif(
    subprocess.Popen is not forking.Popen, reason="FORKS=0, or not on Linux"
)
MODULE = "probed_by_forking"
PROBE = """
import json, os, resource, signal, sys, threading
from mmkeras import processes

processes.adopt(__name__)

def main(*arguments):
    if "raise" in arguments:
        raise RuntimeError("as it was asked to")
    if "exit" in arguments:
        sys.exit(5)
    if "wait" in arguments:
        print("waiting", flush=True)
        threading.Event().wait()
    import mmkeras
    found = {
        "arguments": arguments, "argv": sys.argv, "path": sys.path,
        "package": mmkeras.__file__, "adopted": processes.adopted(),
        "environment": dict(os.environ), "folder": os.getcwd(),
        "leads its group": os.getpgrp() == os.getpid(),
        "files": resource.getrlimit(resource.RLIMIT_NOFILE),
        "parent": os.getppid(), "stdin": sys.stdin.read(),
        "signals": {str(n): str(signal.getsignal(n)) for n in range(1, 32)},
    }
    if "fit" in arguments:
        found["weights"] = fitted()
    print(json.dumps(found))
    print("said", file=sys.stderr)
    return 3

def fitted():
    import keras, numpy as np

    keras.utils.set_random_seed(3)
    layers = [keras.Input((6,)), keras.layers.Dense(8, "relu"),
              keras.layers.Dropout(0.3), keras.layers.Dense(1)]
    model = keras.Sequential(layers)
    model.compile("adam", "mse", jit_compile=False)
    x = np.random.default_rng(0).normal(size=(64, 6))
    model.fit(x, x[:, :1], epochs=2, verbose=0)
    return [w.numpy().tobytes().hex() for w in model.weights]
"""


@pytest.fixture
def probe(tmp_path, monkeypatch):
    """A module of the user, whose children may be forked."""
    (tmp_path / f"{MODULE}.py").write_text(PROBE)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(forking, "CHILDREN", (MODULE,))
    with processes.adoptions():
        __import__(MODULE)
        yield tmp_path
    del sys.modules[MODULE]


def ask(*arguments, **variables):
    """Returns the exit code of a child, and all that it says."""
    variables = {"TF_CPP_MIN_LOG_LEVEL": "3", **variables}
    with processes.running(
        MODULE, *arguments, variables=variables, backend="tensorflow",
        stdin=-1, stdout=-1, stderr=-1, text=True,
    ) as child:  # fmt: skip
        said = child.communicate("told", timeout=200)
    return child.returncode, *said, child.forked


def test_it_finds_what_a_started_one_finds(probe, monkeypatch):
    monkeypatch.chdir(probe)
    code, said, error, forked = ask("one", "fit", MINE="3")
    with forking.true_starts():
        start = ask("one", "fit", MINE="3")
    assert forked and not start[-1]
    assert code == start[0] == 3
    assert error.splitlines()[-1] == "said"
    found, wanted = json.loads(said), json.loads(start[1])
    assert found["parent"] == os.getpid() and found["stdin"] == "told"
    assert found["environment"]["MINE"] == "3"
    # The same weights, bit by bit, among all else.
    assert found == wanted


def test_it_ends_as_a_started_one_ends(probe):
    for how in ("raise", "exit"):
        forked = ask(how)
        with forking.true_starts():
            start = ask(how)
        assert forked[0] == start[0] == {"raise": 1, "exit": 5}[how]
        last = [found[2].splitlines()[-1:] for found in (forked, start)]
        assert last[0] == last[1]


def test_it_is_killed_and_leaves_its_own_descriptors_alone(probe):
    with processes.running(
        MODULE, "wait", backend="tensorflow", stdout=-1, text=True
    ) as child:
        assert child.forked and child.stdout.readline() == "waiting\n"
        held = {
            os.readlink(f"/proc/{child.pid}/fd/{number}")
            for number in os.listdir(f"/proc/{child.pid}/fd")
        }
        mine = {os.readlink(f"/proc/self/fd/{n}") for n in (0, 1, 2)}
        pipes = {each for each in held - mine if "socket" in each}
        assert not pipes
        os.kill(child.pid, signal.SIGINT)
        os.kill(child.pid, signal.SIGTERM)
        assert child.poll() is None
        child.kill()
        assert child.wait() == -signal.SIGKILL
    assert not os.path.exists(f"/proc/{child.pid}")


def test_a_command_says_and_ends_as_a_started_one(tmp_path):
    commands = (["--version"], ["train"], ["spec", "check", "nowhere.toml"])
    for words in commands:
        answers = []
        for how in (forking.forked_commands, forking.true_starts):
            with how():
                done = subprocess.run(
                    [sys.executable, "-m", "mmkeras.cli", *words],
                    cwd=tmp_path, capture_output=True, text=True,
                )  # fmt: skip
            answers.append((done.returncode, done.stdout, done.stderr))
        assert answers[0] == answers[1]


def test_limits_are_inherited(probe):
    def files():
        code, said, _, forked = ask()
        assert code == 3
        return json.loads(said)["files"], forked

    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    assert files() == ([*before], True)
    resource.setrlimit(resource.RLIMIT_NOFILE, (before[0] - 1, before[1]))
    try:
        assert files() == ([before[0] - 1, before[1]], False)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
    assert files() == ([*before], True)


@pytest.mark.parametrize(
    "variable", ["KERAS_BACKEND", "OMP_NUM_THREADS", "TF_XLA_FLAGS", "HOME"]
)
def test_what_is_read_at_an_import_needs_a_start(variable):
    words = [sys.executable, "-P", str(forking.ENTRY), "{}", "mmkeras.kinds"]
    may = forking.may_be_forked
    usual = dict(forking.variables_of_server())
    forked = [*words[:-1], forking.CHILDREN[0]]
    assert may(forked, usual) and not may(words, usual)
    assert not may(forked, {**usual, variable: "other"})
    assert may(forked, {**usual, "MINE": "other"})
    # A command is forked only where a test asks for it.
    assert not may([sys.executable, "-m", "mmkeras.cli"], usual)
    assert not may(["/bin/sh", *forked[1:]], usual)
