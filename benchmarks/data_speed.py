"""How close `prepare` and the training pipeline come to their limits.

    python data_specs/avdigits.py SOURCE --out build/benchmarks/avdigits
    python benchmarks/data_speed.py data_specs/avdigits.toml \
        --root build/benchmarks/avdigits

For specs of pictures and sounds. In turns in one run, medians:

- `prepare` with two workers, their start included, against a plain loop over
  the same files in two processes that decodes, resizes and resamples, and does
  nothing with it; its imports are not counted. Aim: 0.85 of its samples a
  second. Where a spec asks for noise, once more without it.
- an epoch of `load_data(...).train` against reading and parsing the same
  shards, without shuffling and augmentation. Aim: 0.9. Told apart: the first
  epoch, which fills the buffer and the cache; the later ones; and with the
  augmentation of the defaults.
- a later epoch against torch's DataLoader with two workers on the raw files,
  where torch is installed. Aim: twice as many samples a second.

`prepare_cost.py` tells what the rest of `prepare` is.
"""

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
BATCH = 64


class Raw:
    """The samples of a spec, decoded from their files one by one."""

    def __init__(self, spec, root: Path, rows: list[dict[str, str]]):
        self.root, self.rows = root, rows
        self.pictures = {}
        self.sounds = {}
        for modality in spec.modalities.values():
            # What a plain loop needs to know, as a user would write it.
            if hasattr(modality, "height"):
                size = modality.width, modality.height
                self.pictures[modality.column] = size, modality.channels
            elif hasattr(modality, "sample_rate_hz"):
                length = modality.shape[0]
                self.sounds[modality.column] = modality.sample_rate_hz, length

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int):
        import numpy as np
        import soundfile
        import soxr
        from PIL import Image

        row, found = self.rows[index], {}
        for column, (size, channels) in self.pictures.items():
            with Image.open(self.root / row[column]) as picture:
                mode = "L" if channels == 1 else "RGB"
                found[column] = np.array(picture.convert(mode).resize(size))
        for column, (rate, length) in self.sounds.items():
            sound, own = soundfile.read(
                self.root / row[column], dtype="float32"
            )
            if own != rate:
                sound = soxr.resample(sound, own, rate)
            sound = sound[:length]
            found[column] = np.pad(sound, (0, length - len(sound)))
        return found


def raw_of(spec_path: str, root: Path) -> Raw:
    from mmkeras.data import read_manifest
    from mmkeras.spec import load_spec

    spec = load_spec(spec_path)
    return Raw(spec, root, read_manifest(spec, root).to_dict("records"))


def decode_half(spec_path: str, root: str, half: int) -> None:
    """Decodes every second sample; tells when it has begun and ended."""
    raw = raw_of(spec_path, Path(root))
    raw[half]  # imports
    start = time.perf_counter()
    for index in range(half, len(raw), 2):
        raw[index]
    print(time.perf_counter() - start)


def decode_sec(options) -> float:
    children = [
        subprocess.Popen(
            [sys.executable, __file__, options.spec, "--root", options.root,
             "--half", str(half)],
            stdout=subprocess.PIPE,
        )
        for half in (0, 1)
    ]  # fmt: skip
    return max(float(child.communicate()[0]) for child in children)


def prepare_sec(spec, options, out: Path) -> float:
    from mmkeras.data import prepare

    shutil.rmtree(out, ignore_errors=True)
    start = time.perf_counter()
    prepare(spec, out, root=options.root, workers=2)
    return time.perf_counter() - start


def specs_of(path: str) -> dict:
    """Returns a spec, and the same without the noise that it asks for."""
    from mmkeras.spec import load_spec

    spec = load_spec(path)
    quiet = {
        name: {k: v for k, v in m.items() if not k.startswith("noise_")}
        for name, m in spec.to_dict()["modalities"].items()
    }
    without = type(spec).from_dict({**spec.to_dict(), "modalities": quiet})
    same = without.sha256 == spec.sha256
    return {"": spec} if same else {"": spec, ", without its noise": without}


def epoch_sec(batches) -> float:
    start = time.perf_counter()
    for _ in batches:
        pass
    return time.perf_counter() - start


def parsed(data):
    """Returns the training shards, read and parsed in order."""
    return data.ordered("train", cache=False)


def torch_loader(options, count: int):
    try:
        from torch.utils.data import DataLoader, Subset
    except ImportError:
        return None
    raw = raw_of(options.spec, Path(options.root))
    samples = Subset(raw, range(min(count, len(raw))))
    return DataLoader(samples, BATCH, shuffle=True, num_workers=2)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("spec", help="TOML spec of pictures and sounds")
    parser.add_argument("--root", required=True, help="folder of the data")
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--half", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.half is not None:
        decode_half(options.spec, options.root, options.half)
        return

    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "data"
        compare_prepare(options, out)
        compare_training(options, out)


def compare_prepare(options, out: Path) -> None:
    """Prints `prepare` beside decoding alone; leaves its folder."""
    specs = specs_of(options.spec)
    decodes, prepares = [], {name: [] for name in specs}
    for _ in range(options.turns):
        decodes.append(decode_sec(options))
        # The spec itself last, which stays.
        for name in reversed(specs):
            prepares[name].append(prepare_sec(specs[name], options, out))
    decode = statistics.median(decodes)
    for name, seconds in prepares.items():
        whole = statistics.median(seconds)
        print(
            f"prepare{name}, 2 workers: {whole:.2f} s; decoding alone: "
            f"{decode:.2f} s; {decode / whole:.2f} of the limit (aim 0.85)"
        )


def compare_training(options, out: Path) -> None:
    """Prints epochs beside reading and parsing, and torch's DataLoader."""
    from mmkeras.data import load_data

    data = load_data(out, batch_size=BATCH, augment=False)
    changed = load_data(out, batch_size=BATCH).train
    loader = torch_loader(options, data.counts["train"])
    first = epoch_sec(data.train)
    epoch_sec(changed)
    plain, train, augmented, torch = [], [], [], []
    for _ in range(options.turns):
        plain.append(epoch_sec(parsed(data)))
        train.append(epoch_sec(data.train))
        augmented.append(epoch_sec(changed))
        if loader is not None:
            torch.append(epoch_sec(loader))
    read, epoch = statistics.median(plain), statistics.median(train)
    print(
        f"{data.counts['train']:,} samples read and parsed alone: {read:.2f} s"
    )
    for name, sec in (
        ("the first epoch", first),
        ("a later epoch", epoch),
        ("a later epoch, augmented", statistics.median(augmented)),
    ):
        print(f"{name}: {sec:.2f} s, {read / sec:.2f} of the limit (aim 0.9)")
    if loader is None:
        print("torch is not installed: its DataLoader is not compared")
    else:
        theirs = statistics.median(torch)
        print(
            f"torch's DataLoader, 2 workers, raw files: {theirs:.2f} s; "
            f"{theirs / epoch:.1f} times as long (aim 2)"
        )


if __name__ == "__main__":
    main()
