"""Compares a bundle's answers on an emulated Raspberry Pi with those here.

    python export/pi/compare.py BUNDLE --python build/pi/python
    python export/pi/compare.py BUNDLE --samples samples.npz

Runs the bundle's own `run.py` on both machines. With the reference kernels
every answer of an int8 file must be equal to the last bit. With the default
ones, which are written for each processor, it may differ by two quantization
steps, and so may that of an int16x8 file with either; a step is the scale of
the last quantized tensor before the output. A float file has none, and may
differ by 1e-5. Emulated time says nothing of a Pi's.
"""

import argparse
import importlib.util
import json
import math
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from mmkeras.artefact import read_manifest, write_arrays

KERNELS = ("reference", "default")
# Answers are float32, which know a step to a tenth or better.
STEPS, FLOAT = 2.1, 1e-5
# What an answer is undone by, to the scale of the last quantized tensor.
UNDO = {
    "SOFTMAX": np.log,
    "LOGISTIC": lambda p: np.log(p) - np.log1p(-p),
    "DEQUANTIZE": np.asarray,
}


def ask(python: str, bundle: Path, samples: Path, kernels: str) -> list[dict]:
    """Returns the bundle's answers to an .npz file, as one machine gives."""
    command = [
        python, str(bundle / "run.py"), "--samples", str(samples),
        "--kernels", kernels,
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise ValueError(f"{python} failed: {done.stderr.strip()[-2000:]}")
    return [json.loads(line) for line in done.stdout.splitlines()]


def load_runner(bundle: Path):
    """Returns the bundle's own `run.py`, which finds its other files."""
    spec = importlib.util.spec_from_file_location("run", bundle / "run.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.Runner(bundle)


def draw(runner, count: int, seed: int = 0) -> dict[str, np.ndarray]:
    """Returns noise as the bundle reads it, one sample in five lacking each."""
    rng = np.random.default_rng(seed)
    there = rng.random((count, len(runner.present))) < 0.8
    x = {"present": there.astype("float32")} if runner.present else {}
    for name, entry in runner.inputs.items():
        noise = getattr(runner.readers[name], "draw", normal)
        x[name] = noise(entry, count, rng).astype(entry["dtype"])
    return x


def normal(entry: dict, count: int, rng: np.random.Generator) -> np.ndarray:
    """Returns values about 0, for kinds that do not say what they are like."""
    return rng.normal(size=(count, *entry["shape"]))


def last_steps(path: Path) -> dict[str, tuple[str, float, int]]:
    """Finds, for each output of a TFLite file, its quantization step.

    Returns:
        By output: the operator that undoes it to a quantized tensor, the
        scale of that tensor, its bits; ("float", 1.0, 32) where there is none.
    """
    from ai_edge_litert import schema_py_generated as schema

    file = schema.Model.GetRootAs(path.read_bytes())
    graph = file.Subgraphs(0)
    names = {v: k for k, v in vars(schema.BuiltinOperator).items()}
    made = {}
    for i in range(graph.OperatorsLength()):
        operator = graph.Operators(i)
        code = file.OperatorCodes(operator.OpcodeIndex())
        number = max(code.BuiltinCode(), code.DeprecatedBuiltinCode())
        for j in range(operator.OutputsLength()):
            made[operator.Outputs(j)] = names[number], operator.Inputs(0)

    signature, steps = file.SignatureDefs(0), {}
    for i in range(signature.OutputsLength()):
        output = signature.Outputs(i)
        name, tensor = made[output.TensorIndex()]
        kind = name
        if name in ("SOFTMAX", "LOGISTIC"):
            name, tensor = made.get(tensor, (None, None))
        found = "float", 1.0, 32
        if name == "DEQUANTIZE" and kind in UNDO:
            last = graph.Tensors(tensor)
            bits = 8 if last.Type() == schema.TensorType.INT8 else 16
            found = kind, float(last.Quantization().Scale(0)), bits
        steps[output.Name().decode()] = found
    return steps


def distance(ours: list, theirs: list, undo: str, step: float) -> float:
    """Returns how many steps two machines' answers are apart at most."""
    a, b = np.array(ours), np.array(theirs)
    if undo == "float":
        return float(np.abs(a - b).max())
    # Near 1, a probability in float32 is coarser than a step of its logit.
    same = np.abs(a - b) <= (2.5e-7 if undo == "LOGISTIC" else 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        apart = np.where(same, 0.0, UNDO[undo](a) - UNDO[undo](b))
    if undo == "SOFTMAX":
        # Logits are known up to a constant, which is chosen in their favour.
        apart = np.ptp(apart, axis=-1) / 2
    return float(np.abs(apart).max()) / step


def values(answer) -> list[float]:
    """Returns the numbers of one target's answer, wherever they stand."""
    if isinstance(answer, float):
        return [answer]
    if isinstance(answer, dict):
        answer = list(answer.values())
    # Whole numbers count things; a model's output is none.
    parts = answer if isinstance(answer, list) else []
    return [value for part in parts for value in values(part)]


def compare(bundle: Path, python: str, samples: Path) -> bool:
    """Prints what the two machines have in common; returns whether enough."""
    manifest = read_manifest(bundle, "bundle", check_files=False)
    steps = last_steps(bundle / manifest["model"]["file"])
    # Floats are rounded otherwise on another processor, and the difference
    # shows in 16 bits; 8 are too coarse.
    exact = all(bits == 8 for _, _, bits in steps.values())
    good = True
    for kernels in KERNELS:
        here = ask(sys.executable, bundle, samples, kernels)
        start = time.perf_counter()
        there = ask(python, bundle, samples, kernels)
        spent = time.perf_counter() - start
        equal = sum(a == b for a, b in zip(here, there, strict=True))
        print(
            f"{kernels} kernels: {equal} of {len(here)} answers equal, bit by "
            f"bit; {spent:.1f} s emulated"
        )
        if kernels == "reference" and exact:
            good = good and equal == len(here)
        for name, (undo, step, bits) in steps.items():
            a, b = [[values(row[name]) for row in x] for x in (here, there)]
            apart = distance(a, b, undo, step)
            most, unit = (FLOAT, "") if undo == "float" else (STEPS, " steps")
            kind = "float" if undo == "float" else f"int{bits}, {step:.3g} each"
            print(f"  {name}: at most {apart:.3g}{unit} apart ({kind})")
            good = good and math.isfinite(apart) and apart <= most
    return good


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("bundle", type=Path)
    options.add_argument("--python", default="build/pi/python")
    options.add_argument("--samples", type=Path, help=".npz; else noise")
    options.add_argument("--count", type=int, default=100)
    options = options.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        samples = Path(folder) / "samples.npz"
        if options.samples:
            with np.load(options.samples, allow_pickle=False) as file:
                x = {name: file[name][: options.count] for name in file.files}
        else:
            x = draw(load_runner(options.bundle), options.count)
        write_arrays(samples, x)
        return 0 if compare(options.bundle, options.python, samples) else 1


if __name__ == "__main__":
    sys.exit(main())
