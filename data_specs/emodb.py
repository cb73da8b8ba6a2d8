"""Builds emodb: acted German speech and its emotion.

A file name such as 03a01Fa.wav tells speaker (03), sentence (a01), emotion (F)
and take (a). The original recordings (16 kHz) will do, and so will copies at
another rate or cut to two seconds.

The columns fold_0 to fold_4 share the ten speakers out: in each, a man and a
woman test, one more speaker validates, and seven train.
"""

import re
import shutil
import sys
from pathlib import Path

import builder

RECORDING = re.compile(r"(\d\d)([ab]\d\d)([WLEAFTN])([a-z])\.wav")
RECORDINGS = 535
# The letters stand for the German words: Wut, Langeweile, Ekel, ...
EMOTIONS = {
    "W": "anger",
    "L": "boredom",
    "E": "disgust",
    "A": "fear",
    "F": "happiness",
    "T": "sadness",
    "N": "neutral",
}
# A man and a woman each; nobody tests twice.
PAIRS = [("03", "08"), ("10", "09"), ("11", "13"), ("12", "14"), ("15", "16")]


def build(source: Path, folder: Path) -> int:
    """Writes the files and the manifest; returns the number of samples."""
    wav = source / "wav"
    names = find_recordings(wav if wav.is_dir() else source)
    (folder / "audio").mkdir()
    rows = []
    for path in names:
        speaker, sentence, emotion, _ = RECORDING.fullmatch(path.name).groups()
        rows.append(
            {
                "id": path.stem,
                "audio": f"audio/{path.name}",
                "speaker": speaker,
                "sentence": sentence,
                "emotion": EMOTIONS[emotion],
                **folds(speaker),
            }
        )
        shutil.copyfile(path, folder / "audio" / path.name)
    return builder.write_manifest(folder, rows)


def folds(speaker: str) -> dict[str, str]:
    """Returns the part that a speaker has in each fold."""
    found = {}
    for fold, pair in enumerate(PAIRS):
        # A man and a woman in turns.
        validates = PAIRS[(fold + 1) % len(PAIRS)][fold % 2]
        found[f"fold_{fold}"] = (
            "test"
            if speaker in pair
            else "validation"
            if speaker == validates
            else "train"
        )
    return found


def find_recordings(folder: Path) -> list[Path]:
    """Returns the sorted paths of all 535 recordings."""
    paths = [p for p in sorted(folder.glob("*.wav")) if p.is_file()]
    paths = [path for path in paths if RECORDING.fullmatch(path.name)]
    if len(paths) != RECORDINGS:
        raise ValueError(
            f"`{folder}` must hold the {RECORDINGS} recordings of EmoDB, with "
            f"names such as 03a01Fa.wav. Received: {len(paths)}"
        )
    return paths


BUILDER = builder.Builder(
    name="emodb",
    source="the 535 WAV files of EmoDB, or with wav/, which holds them",
    home="http://emodb.bilderbar.info",
    build=build,
)

if __name__ == "__main__":
    sys.exit(builder.main(BUILDER))
