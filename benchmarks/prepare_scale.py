"""Time and peak memory of `prepare` and of opening, by the number of samples.

    python benchmarks/prepare_scale.py 10000 100000 1000000

Each size runs in processes of its own: rows with three numbers, a short text,
a class of a thousand and three tags of a thousand are written to a CSV file,
prepared by one worker, and opened twice. Aims: ten times the samples in at
most 10.5 times as long; at 1e6 rows at most 1.5 times the memory of 1e5; the
second opening of a folder in at most 0.2 of the first.
"""

import argparse
import json
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

CLASSES = [f"class {i}" for i in range(1000)]
TAGS = [f"tag {i}" for i in range(1000)]
WORDS = [f"word{i}" for i in range(500)]
CHUNK = 100_000


def write_rows(path: Path, rows: int) -> None:
    rng = np.random.default_rng(0)
    with open(path, "w", encoding="utf-8") as file:
        file.write("a,b,c,note,class,tags\n")
        for first in range(0, rows, CHUNK):
            count = min(CHUNK, rows - first)
            numbers = rng.normal(size=(count, 3)).round(4).tolist()
            notes = rng.integers(0, len(WORDS), (count, 6)).tolist()
            classes = rng.integers(0, len(CLASSES), count).tolist()
            tags = rng.integers(0, len(TAGS), (count, 3)).tolist()
            for i in range(count):
                cells = [
                    *map(str, numbers[i]),
                    " ".join(WORDS[w] for w in notes[i]),
                    CLASSES[classes[i]],
                    "|".join(TAGS[t] for t in tags[i]),
                ]
                file.write(",".join(cells) + "\n")


def spec_of(root: Path):
    from mmkeras.spec import DataSpec

    return DataSpec.from_dict(
        {
            "name": "scale",
            "data": {"root": str(root)},
            "split": {"stratify": "class"},
            "modalities": {
                "table": {"kind": "vector", "columns": ["a", "b", "c"]},
                "note": {
                    "kind": "text",
                    "column": "note",
                    "max_tokens": 8,
                    "tokenizer": "word",
                },
            },
            "targets": {
                "class": {
                    "kind": "category",
                    "column": "class",
                    "classes": CLASSES,
                },
                "tags": {
                    "kind": "categories",
                    "column": "tags",
                    "classes": TAGS,
                },
            },
        }
    )


def measure(stage: str, root: Path) -> dict[str, float]:
    """Does one stage in this process; returns seconds and peak megabytes."""
    if stage == "prepare":
        from mmkeras.data import prepare

        spec = spec_of(root)
        base = peak_mb()
        start = time.process_time()
        prepare(spec, root / "data", workers=1)
    else:
        from mmkeras.data import check_folder

        spec_of(root)  # imports the kinds
        base = peak_mb()
        start = time.perf_counter()
        check_folder(root / "data")
    clock = time.process_time if stage == "prepare" else time.perf_counter
    return {"sec": clock() - start, "mb": peak_mb(), "base_mb": base}


def peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def run(rows: int, where: str | None) -> dict[str, dict[str, float]]:
    root = Path(tempfile.mkdtemp(prefix="scale-", dir=where))
    try:
        write_rows(root / "manifest.csv", rows)
        found = {}
        for stage in ("prepare", "open", "open again"):
            done = subprocess.run(
                [sys.executable, __file__, "--stage", stage, str(root)],
                capture_output=True,
                text=True,
                check=True,
            )
            found[stage] = json.loads(done.stdout.splitlines()[-1])
        shards = (root / "data").glob("*.tfrecord")
        found["bytes"] = sum(path.stat().st_size for path in shards)
        return found
    finally:
        shutil.rmtree(root)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("rows", nargs="*", default=["10000", "100000"])
    parser.add_argument("--stage", help=argparse.SUPPRESS)
    parser.add_argument("--folder", help="where to write for the time being")
    known = parser.parse_args()
    if known.stage:
        print(json.dumps(measure(known.stage, Path(known.rows[0]))))
        return
    print(
        f"{'rows':>9} {'prepare s':>9} {'ratio':>6} {'peak MB':>8} "
        f"{'ratio':>6} {'shards MB':>9} {'open s':>7} {'again':>7} "
        f"{'ratio':>6} {'open MB':>7}"
    )
    before = None
    for rows in map(int, known.rows):
        found = run(rows, known.folder)
        one = found["prepare"]
        times = [found[stage]["sec"] for stage in ("open", "open again")]
        ratios = [
            f"{one[key] / before[key]:.2f}" if before else ""
            for key in ("sec", "mb")
        ]
        print(
            f"{rows:>9,} {one['sec']:>9.1f} {ratios[0]:>6} {one['mb']:>8.0f} "
            f"{ratios[1]:>6} {found['bytes'] / 1e6:>9.0f} {times[0]:>7.3f} "
            f"{times[1]:>7.3f} {times[1] / times[0]:>6.2f} "
            f"{found['open']['mb']:>7.0f}",
            flush=True,
        )
        before = one


if __name__ == "__main__":
    main()
