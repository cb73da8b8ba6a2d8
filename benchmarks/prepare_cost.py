"""What `prepare` does with a sample beside decoding it, in microseconds.

    python data_specs/avdigits.py SOURCE --out build/benchmarks/avdigits
    python benchmarks/prepare_cost.py data_specs/avdigits.toml \
        --root build/benchmarks/avdigits

Processor time of one process, the least of several turns that take turns; the
first samples of the manifest, again and again, so that no disk counts.
"""

import argparse
import hashlib
import tempfile
import time
from pathlib import Path

import numpy as np
from data_speed import raw_of

SAMPLES = 1000


def steps_of(spec_path: str, root: Path, folder: Path) -> dict:
    """Returns functions by what they do with all samples."""
    from mmkeras.data import SampleReader, read_inside, write_records
    from mmkeras.data.files import Folders, example_record
    from mmkeras.spec import load_spec

    spec = load_spec(spec_path)
    raw = raw_of(spec_path, root)
    cells = raw.rows[:SAMPLES]
    reader = SampleReader(
        spec, str(root), learned=dict.fromkeys(spec.modalities)
    )
    keys = {"noise_std": 0.0, "noise_snr_db": None}
    quiet = {
        name: modality.model_copy(
            update={k: v for k, v in keys.items() if hasattr(modality, k)}
        )
        for name, modality in spec.modalities.items()
    }
    plain = SampleReader(
        spec.model_copy(update={"modalities": quiet}),
        str(root),
        learned=reader.learned,
    )
    values: list[dict] = []
    payloads: list[bytes] = []

    def read_by(chosen: SampleReader) -> None:
        values.clear()
        with Folders() as folders:
            for at, row in enumerate(cells):
                one = {"id": str(at), "cells": row}
                values.append(
                    {n: chosen.read(n, one, folders).value for n in quiet}
                )

    def read_files() -> None:
        with Folders() as folders:
            for row in cells:
                for modality in quiet.values():
                    read_inside(str(root), row[modality.column], folders)

    def draw() -> None:
        for at in range(len(cells)):
            for modality in spec.modalities.values():
                random = np.random.default_rng(at)
                random.standard_normal(modality.shape)

    def encode() -> None:
        payloads.clear()
        for at, value in enumerate(values):
            found = {name: part.tobytes() for name, part in value.items()}
            payloads.append(example_record({"sample/id": b"%d" % at, **found}))

    def add() -> None:
        for value in values:
            for name, part in value.items():
                spec.modalities[name].sums(part)

    def write() -> None:
        digest = hashlib.sha256()
        write_records(folder / "0.tfrecord", payloads, digest=digest)

    return {
        "decoded by a plain loop": lambda: [raw[i] for i in range(len(cells))],
        "read by `prepare`, without noise": lambda: read_by(plain),
        "  of it: opening and reading files": read_files,
        "read by `prepare`, with its noise": lambda: read_by(reader),
        "  of it: drawing numbers for the noise": draw,
        "added to the statistics": add,
        "made records": encode,
        "hashed and written": write,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("spec", help="TOML spec of pictures and sounds")
    parser.add_argument("--root", required=True, help="folder of the data")
    parser.add_argument("--turns", type=int, default=7)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        steps = steps_of(options.spec, Path(options.root), Path(folder))
        taken: dict[str, list[float]] = {name: [] for name in steps}
        for _ in range(options.turns):
            for name, step in steps.items():
                start = time.process_time()
                step()
                taken[name].append(time.process_time() - start)
    for name, seconds in taken.items():
        print(f"{name}: {min(seconds) / SAMPLES * 1e6:.0f} us a sample")


if __name__ == "__main__":
    main()
