"""A bundle answers on an emulated Raspberry Pi as it does here."""

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from export.export_toys import toy_export

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "export" / "pi" / "compare.py"


@pytest.fixture(scope="module")
def pi():
    spec = importlib.util.spec_from_file_location("mmkeras_pi", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def emulated() -> Path:
    """The Python that `make pi` sets up."""
    python = ROOT / "build" / "pi" / "python"
    if not (python.parent / "installed").is_file():
        pytest.skip("needs build/pi, an emulated Pi, which `make pi` sets up")
    return python


def test_a_hundred_answers_equal_those_of_a_raspberry_pi(emulated):
    bundle = toy_export().bundle
    command = [sys.executable, SCRIPT, bundle, "--python", emulated]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "reference kernels: 100 of 100 answers equal" in done.stdout
    for target in ("digit", "tags", "rating"):
        assert done.stdout.count(f"  {target}: at most") == 2


def test_the_emulated_python_is_of_a_raspberry_pi(emulated):
    program = (
        "import importlib.metadata as m, platform\n"
        "print(platform.machine(), m.version('ai-edge-litert'))"
    )
    found = subprocess.check_output([emulated, "-c", program], text=True)
    from importlib.metadata import version

    assert found.split() == ["aarch64", version("ai-edge-litert")]


def test_the_step_is_the_scale_of_the_last_int8_tensor(pi):
    from ai_edge_litert.interpreter import Interpreter

    path = toy_export().bundle / "model.tflite"
    steps = pi.last_steps(path)
    kinds = {name: kind for name, (kind, _, _) in steps.items()}
    assert kinds == {
        "digit": "SOFTMAX", "tags": "LOGISTIC", "rating": "DEQUANTIZE"
    }  # fmt: skip
    scales = [
        tensor["quantization"][0]
        for tensor in Interpreter(str(path)).get_tensor_details()
        if tensor["dtype"] is np.int8
    ]
    for _, step, bits in steps.values():
        assert bits == 8
        assert min(abs(step - scale) for scale in scales) == 0


LOGITS = np.array([[0.4, -1.2, 2.0], [0.1, 0.2, 0.3]])
MOVED = LOGITS + np.array([[0.1, 0, 0], [0.1, 0.1, 0.1]])


def softmax(x):
    return np.exp(x) / np.exp(x).sum(axis=1, keepdims=True)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


@pytest.mark.parametrize(
    "undo, change, expected",
    [
        # A constant added to all logits is no change of the answer.
        ("SOFTMAX", softmax, 1.0),
        ("LOGISTIC", sigmoid, 2.0),
        ("DEQUANTIZE", np.asarray, 2.0),
        ("float", np.asarray, 0.1),
    ],
)
def test_answers_are_compared_in_steps(pi, undo, change, expected):
    a, b = change(LOGITS).tolist(), change(MOVED).tolist()
    assert pi.distance(a, a, undo, 0.05) == 0
    assert pi.distance(a, b, undo, 0.05) == pytest.approx(expected)


def test_a_probability_that_vanishes_on_one_machine_only_fails(pi):
    assert pi.distance([[1.0, 0.0]], [[1.0, 0.0]], "SOFTMAX", 0.05) == 0
    apart = pi.distance([[1.0, 0.0]], [[0.99, 0.01]], "SOFTMAX", 0.05)
    assert apart == np.inf


FAKE = """#!{python}
import json, runpy, sys
print_ = print
def print(line):
    answer = json.loads(line)
    answer["rating"]["value"] += {added} * ("reference" not in sys.argv)
    print_(json.dumps(answer))
sys.argv = sys.argv[1:]
import builtins
builtins.print = print
runpy.run_path(sys.argv[0], run_name="__main__")
"""


@pytest.mark.parametrize("steps, code", [(2.0, 0), (2.2, 1)])
def test_more_than_two_steps_apart_fail(pi, tmp_path, steps, code):
    bundle = toy_export().bundle
    added = steps * pi.last_steps(bundle / "model.tflite")["rating"][1]
    python = tmp_path / "python"
    python.write_text(FAKE.format(python=sys.executable, added=added))
    python.chmod(0o755)
    command = [sys.executable, SCRIPT, bundle, "--python", python]
    done = subprocess.run([*command, "--count", "3"], capture_output=True)
    assert done.returncode == code, done.stderr
    assert b"reference kernels: 3 of 3 answers equal" in done.stdout


def test_other_bits_with_the_reference_kernels_fail(tmp_path):
    """However little they differ."""
    python = tmp_path / "python"
    fake = FAKE.format(python=sys.executable, added=1e-9)
    python.write_text(fake.replace('"reference" not in', '"reference" in'))
    python.chmod(0o755)
    command = [sys.executable, SCRIPT, toy_export().bundle, "--python", python]
    done = subprocess.run([*command, "--count", "3"], capture_output=True)
    assert done.returncode == 1, done.stderr
    assert b"reference kernels: 0 of 3 answers equal" in done.stdout


def test_noise_is_as_the_bundle_reads_it(pi):
    bundle = toy_export().bundle
    manifest = json.loads((bundle / "manifest.json").read_text())
    x = pi.draw(pi.load_runner(bundle), 50)
    assert set(x) == {"present", "image", "audio", "text", "table"}
    for name, entry in manifest["inputs"].items():
        assert x[name].shape == (50, *entry["shape"])
        assert x[name].dtype == entry["dtype"]
    assert 0 < x["present"].mean() < 1
    assert x["text"].max() < manifest["inputs"]["text"]["vocabulary_size"]
