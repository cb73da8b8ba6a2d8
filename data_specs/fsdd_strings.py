"""Builds fsdd_strings: one to five spoken digits in a row, as a transcript.

Recordings of the Free Spoken Digit Dataset, strung together: all of a string
by one speaker, with silences of up to 0.15 s between them. No recording is in
two splits; the speakers are in all. For tests of unseen speakers there is a
column a fold, in which one speaker tests and another validates.
"""

import dataclasses
import sys
import wave
from collections.abc import Iterator
from pathlib import Path

import avdigits
import builder
import fsdd
import numpy as np

RATE_HZ, LONGEST_SEC, SILENCE_SEC = 8000, 4.096, 0.15
DIGITS = 5
# Strings of each speaker.
STRINGS = {"train": 500, "validation": 50, "test": 100}


def build(source: Path, folder: Path) -> int:
    """Writes the files and the manifest; returns the number of samples."""
    inside = source / "fsdd"
    source = inside if inside.is_dir() else source
    takes = takes_of(source)
    speakers = sorted({speaker for speaker, _ in takes})
    rng = np.random.default_rng(0)
    (folder / "audio").mkdir()
    rows = []
    for (speaker, split), names in sorted(takes.items()):
        sounds = {name: samples_of(source / name) for name in names}
        strung = strings(names, sounds, DIGITS, LONGEST_SEC, rng)
        for number in range(STRINGS[split]):
            chosen, sound, _ = next(strung)
            key = f"{speaker}_{split}_{number:03}"
            write_wav(folder / "audio" / f"{key}.wav", sound)
            rows.append(
                {
                    "id": key,
                    "audio": f"audio/{key}.wav",
                    "digits": " ".join(name[0] for name in chosen),
                    "speaker": speaker,
                    "split": split,
                    **folds(speaker, speakers),
                }
            )
    return builder.write_manifest(folder, rows)


def takes_of(source: Path) -> dict[tuple[str, str], list[str]]:
    """Returns the names of recordings by speaker and split."""
    found: dict[tuple[str, str], list[str]] = {}
    for name in avdigits.find_recordings(source):
        _, speaker, take = avdigits.RECORDING.fullmatch(name).groups()
        key = speaker, avdigits.split_of(int(take))
        found.setdefault(key, []).append(name)
    return found


def strings(
    names: list[str],
    sounds: dict[str, np.ndarray],
    digits: int,
    longest_sec: float,
    rng: np.random.Generator,
) -> Iterator[tuple[list[str], np.ndarray, list[tuple[int, int]]]]:
    """Yields recordings in a row: their names, the sound, where each is.

    Args:
        names: Recordings to draw from; all come equally often.
        sounds: Their samples.
        digits: Most recordings of a string.
        longest_sec: A longer string is drawn again.
        rng: Draws.
    """
    left: list[str] = []
    while True:
        wanted = int(rng.integers(1, digits + 1))
        while len(left) < digits:
            left += rng.permutation(names).tolist()
        silence = rng.integers(0, round(SILENCE_SEC * RATE_HZ), wanted)
        parts, places, at = [], [], 0
        for name, gap in zip(left[:wanted], silence, strict=True):
            parts += [np.zeros(gap, "int16"), sounds[name]]
            places.append((at + gap, at + gap + len(sounds[name])))
            at = places[-1][1]
        if at <= longest_sec * RATE_HZ:
            yield left[:wanted], np.concatenate(parts), places
        left = left[wanted:]


def folds(speaker: str, speakers: list[str]) -> dict[str, str]:
    """Returns the part that a speaker has in each fold."""
    found = {}
    for fold in range(len(speakers)):
        tests, validates = speakers[fold], speakers[fold - 1]
        parts = {tests: "test", validates: "validation"}
        found[f"fold_{fold}"] = parts.get(speaker, "train")
    return found


def samples_of(path: Path) -> np.ndarray:
    """Reads a recording: int16, mono, 8000 Hz."""
    try:
        with wave.open(str(path)) as file:
            form = file.getnchannels(), file.getsampwidth(), file.getframerate()
            raw = file.readframes(file.getnframes())
    except (wave.Error, EOFError) as error:
        raise ValueError(
            f"`{path}` must be a WAV file. Received: {error}"
        ) from None
    if form != (1, 2, RATE_HZ):
        raise ValueError(
            f"`{path}` must have 1 channel of 16 bits at {RATE_HZ} Hz. "
            f"Received: {form[0]} of {8 * form[1]} bits at {form[2]} Hz"
        )
    return np.frombuffer(raw, "<i2")


def write_wav(path: Path, sound: np.ndarray) -> None:
    """Writes int16 samples."""
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE_HZ)
        file.writeframes(sound.astype("<i2").tobytes())


BUILDER = dataclasses.replace(fsdd.BUILDER, name="fsdd_strings", build=build)

if __name__ == "__main__":
    sys.exit(builder.main(BUILDER))
