"""Builds mitbih: two leads of ECG, the rhythm, and what the beats are.

Three manifests of one set of records. `manifest.csv` has windows of 10 s, and
the class of each step of 0.1 s in which a beat is; `beats.csv` has single
beats, for what is far from normal; `windows.csv` has stretches whose next
steps are predicted.

The classes are those of ANSI/AAMI EC57, and the split is that of de Chazal,
O'Dwyer and Reilly (2004): patients of DS1 train and validate, those of DS2
test. The records 201 and 202 are one patient, on both sides, as in every work
with that split. Places of beats are those of the annotations, here as there.
"""

import sys
from pathlib import Path

import builder
import numpy as np
import pandas as pd

from mmkeras.data import resample

AAMI = {
    **dict.fromkeys("NLRej", "N"),
    **dict.fromkeys("AaJS", "S"),
    **dict.fromkeys("VE", "V"),
    "F": "F",
    **dict.fromkeys("/fQ", "Q"),
}
TRAIN = (
    "101", "106", "108", "109", "112", "114", "115", "116", "119", "122",
    "201", "203", "207", "208", "209", "215", "220", "230",
)  # fmt: skip
# Of DS1 too: patients with beats of every class but Q.
VALIDATION = ("118", "124", "205", "223")
TEST = (
    "100", "103", "105", "111", "113", "117", "121", "123", "200", "202",
    "210", "212", "213", "214", "219", "221", "222", "228", "231", "232",
    "233", "234",
)  # fmt: skip
SPLITS = {
    **dict.fromkeys(TRAIN, "train"),
    **dict.fromkeys(VALIDATION, "validation"),
    **dict.fromkeys(TEST, "test"),
}
FILE_HZ, RATE_HZ, STEP_HZ = 360, 120, 10
WINDOW_SEC = 10
# Beats over which the rhythm of the moment is the mean.
LOCAL_BEATS = 10
# Where a beat, and what comes before it, begins; seconds before its peak.
BEAT_SEC, BEFORE_SEC = 0.3, 2.3
# Of normal beats one in so many; of all others each.
NORMAL_EACH = 4
HOP_SEC = {"train": 4, "validation": 8, "test": 8}


def build(source: Path, folder: Path) -> int:
    """Writes the files and the manifests; returns the number of windows."""
    for name in ("records", "rhythm"):
        (folder / name).mkdir()
    windows, beats, stretches = [], [], []
    for name, split in sorted(SPLITS.items()):
        signals, peaks, classes, about = read_record(source, name)
        np.save(folder / "records" / f"{name}.npy", signals)
        rhythm = rhythm_of(peaks, len(signals) * STEP_HZ // RATE_HZ + 1)
        np.save(folder / "rhythm" / f"{name}.npy", rhythm)
        shared = {"ecg": f"records/{name}.npy", "record": name, "split": split}
        windows += windows_of(peaks, classes, {**shared, **about})
        beats += beats_of(peaks, classes, shared)
        stretches += stretches_of(len(signals) / RATE_HZ, shared)
    pd.DataFrame(beats).to_csv(folder / "beats.csv", index=False)
    pd.DataFrame(stretches).to_csv(folder / "windows.csv", index=False)
    return builder.write_manifest(folder, windows)


def read_record(source: Path, name: str) -> tuple:
    """Returns signals at 120 Hz, peaks in seconds, classes, and the patient.

    The first of the two leads is MLII everywhere, though record 114 has it
    second.
    """
    import wfdb

    path = source / name
    if not path.with_suffix(".hea").is_file():
        raise ValueError(
            f"`{source}` must hold the records of the MIT-BIH Arrhythmia "
            f"Database. Received: no {name}.hea"
        )
    record = wfdb.rdrecord(str(path))
    notes = wfdb.rdann(str(path), "atr")
    order = [1, 0] if record.sig_name[1] == "MLII" else [0, 1]
    signals = resample(record.p_signal[:, order], FILE_HZ, RATE_HZ)
    known = [s in AAMI for s in notes.symbol]
    classes = [AAMI[s] for s in notes.symbol if s in AAMI]
    age, sex, *_ = record.comments[0].split()
    medication = record.comments[1] if len(record.comments) > 1 else ""
    about = {
        # Of some patients the age is not known.
        "age": age if age.isdigit() else "",
        "sex": {"M": "male", "F": "female"}.get(sex, ""),
        "medication": medication,
    }
    return (
        signals.astype(np.float32),
        notes.sample[known] / FILE_HZ,
        classes,
        about,
    )


def rhythm_of(peaks: np.ndarray, steps: int) -> np.ndarray:
    """Returns `(steps, 3)` at 10 Hz: how far beats are apart; else NaN.

    Logarithms of the time since the beat before and until the next one, by
    the mean of the patient, and of the former by the mean of the last ten:
    what comes early is below 0.
    """
    apart = np.diff(peaks)
    mean = apart.mean()
    since, until = np.r_[mean, apart], np.r_[apart, mean]
    local = [
        np.mean(since[max(0, i - LOCAL_BEATS) : i] if i else mean)
        for i in range(len(since))
    ]
    rows = np.stack([since / mean, until / mean, since / np.array(local)], 1)
    found = np.full((steps, 3), np.nan, np.float32)
    found[(peaks * STEP_HZ).astype(int)] = np.log(np.maximum(rows, 0.1))
    return found


def windows_of(peaks: np.ndarray, classes: list, shared: dict) -> list[dict]:
    """Returns the windows that hold a beat, with the class of each step."""
    steps, rows = WINDOW_SEC * STEP_HZ, {}
    for place, name in zip((peaks * STEP_HZ).astype(int), classes):
        window, step = divmod(int(place), steps)
        rows.setdefault(window, [""] * steps)[step] = name
    return [
        {
            "id": f"{shared['record']}-{window:03d}",
            **shared,
            "rhythm": f"rhythm/{shared['record']}.npy",
            "start_sec": window * WINDOW_SEC,
            "beats": "|".join(names),
        }
        for window, names in rows.items()
    ]


def beats_of(peaks: np.ndarray, classes: list, shared: dict) -> list[dict]:
    """Returns single beats: all but the normal ones, and some of these."""
    return [
        {
            "id": f"{shared['record']}-{place:04d}",
            **shared,
            "beat_sec": round(peak - BEAT_SEC, 4),
            "before_sec": round(peak - BEFORE_SEC, 4),
            "class": name,
        }
        for place, (peak, name) in enumerate(zip(peaks, classes))
        if (name != "N" or place % NORMAL_EACH == 0) and peak > BEFORE_SEC
    ]


def stretches_of(seconds: float, shared: dict) -> list[dict]:
    """Returns where stretches begin whose next steps are predicted."""
    hop = HOP_SEC[shared["split"]]
    return [
        {"id": f"{shared['record']}-{start:04d}", **shared, "start_sec": start}
        for start in range(0, int(seconds) - 2, hop)
    ]


BUILDER = builder.Builder(
    name="mitbih",
    source="the records of the MIT-BIH Arrhythmia Database (.hea, .dat, .atr)",
    home="https://physionet.org/content/mitdb/1.0.0/",
    build=build,
)

if __name__ == "__main__":
    sys.exit(builder.main(BUILDER))
