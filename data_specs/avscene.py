"""Builds avscene: digits that are seen and said, as one transcript.

A scene is one to four digits in a row. Each is said, by a recording of the
Free Spoken Digit Dataset, and for as long a picture of it, of MNIST, moves
through the film. Both are degraded, so that neither alone is understood well:
the sound by white noise, the film by blur and by noise of each pixel. All of a
scene's digits are said by one speaker; no recording and no picture is in two
splits.
"""

import dataclasses
import sys
from fractions import Fraction
from pathlib import Path

import avdigits
import builder
import fsdd_strings
import numpy as np
from PIL import Image, ImageFilter

DIGITS, LONGEST_SEC, SIDE, PICTURE = 4, 3.072, 32, 24
FRAMES, FRAME_SEC = 24, Fraction(128, 1000)
# What degrades them: the sound's signal-to-noise ratio, the deviation of the
# pixels' noise as a fraction of full scale, the radius of the blur.
SNR_DB, NOISE, BLUR_PX = -3.0, 0.3, 1.0
# Scenes of each speaker, and which of MNIST's pictures they show.
SCENES = {"train": 400, "validation": 50, "test": 100}
PICTURES = {"train": (0, 7000), "validation": (7000, 8000),
            "test": (8000, 10_000)}  # fmt: skip


def build(source: Path, folder: Path) -> int:
    """Writes the files and the manifest; returns the number of samples."""
    mnist = source / "mnist"
    labels = avdigits.read_idx(mnist / "t10k-labels-idx1-ubyte.gz", ())
    images = avdigits.read_idx(mnist / "t10k-images-idx3-ubyte.gz", (28, 28))
    takes = fsdd_strings.takes_of(source / "fsdd")
    rng = np.random.default_rng(0)
    (folder / "audio").mkdir()
    (folder / "video").mkdir()
    rows = []
    for (speaker, split), names in sorted(takes.items()):
        sounds = {
            name: fsdd_strings.samples_of(source / "fsdd" / name)
            for name in names
        }
        shown = np.arange(*PICTURES[split])
        scenes = fsdd_strings.strings(names, sounds, DIGITS, LONGEST_SEC, rng)
        for number in range(SCENES[split]):
            chosen, sound, places = next(scenes)
            digits = [int(name[0]) for name in chosen]
            pictures = [
                images[rng.choice(shown[labels[shown] == digit])]
                for digit in digits
            ]
            key = f"{speaker}_{split}_{number:03}"
            fsdd_strings.write_wav(
                folder / "audio" / f"{key}.wav", noisy(sound, rng)
            )
            write_film(
                folder / "video" / f"{key}.mkv", film(pictures, places, rng)
            )
            rows.append(
                {
                    "id": key,
                    "audio": f"audio/{key}.wav",
                    "video": f"video/{key}.mkv",
                    "digits": " ".join(map(str, digits)),
                    "speaker": speaker,
                    "split": split,
                }
            )
    return builder.write_manifest(folder, rows)


def noisy(sound: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Returns a whole scene's sound in white noise, at one level."""
    whole = np.zeros(round(LONGEST_SEC * fsdd_strings.RATE_HZ))
    whole[: len(sound)] = sound / 32768
    power = np.mean(np.square(sound / 32768))
    std = np.sqrt(power * 10 ** (-SNR_DB / 10))
    whole += rng.normal(0, std, len(whole))
    # As loud as a voice, and far from full scale.
    whole *= 0.15 / np.sqrt(np.mean(np.square(whole)))
    return np.clip(np.rint(whole * 32768), -32768, 32767)


def film(
    pictures: list[np.ndarray],
    places: list[tuple[int, int]],
    rng: np.random.Generator,
) -> np.ndarray:
    """Returns `(frames, side, side)` uint8: each digit moves while it is said.

    Args:
        pictures: `(28, 28)` uint8 each.
        places: First sample of its sound, and the one after the last.
        rng: Draws paths and noise.
    """
    frames = np.zeros((FRAMES, SIDE, SIDE))
    times = (np.arange(FRAMES) + 0.5) * float(FRAME_SEC)
    for picture, (first, end) in zip(pictures, places, strict=True):
        small = np.asarray(
            Image.fromarray(picture)
            .resize((PICTURE, PICTURE), Image.Resampling.BILINEAR)
            .filter(ImageFilter.GaussianBlur(BLUR_PX)),
            "float64",
        )
        start, stop = rng.integers(0, SIDE - PICTURE + 1, (2, 2))
        begins, ends = np.array([first, end]) / fsdd_strings.RATE_HZ
        for frame in np.flatnonzero((times >= begins) & (times < ends)):
            share = (times[frame] - begins) / (ends - begins)
            y, x = np.rint(start + share * (stop - start)).astype(int)
            frames[frame, y : y + PICTURE, x : x + PICTURE] = small
    frames += rng.normal(0, 255 * NOISE, frames.shape)
    # Half of the range is left for what noise takes away.
    return np.clip(np.rint(64 + frames / 2), 0, 255).astype("uint8")


def write_film(path: Path, frames: np.ndarray) -> None:
    """Writes grey frames without loss."""
    import av

    with av.open(str(path), "w") as file:
        stream = file.add_stream("ffv1", rate=1 / FRAME_SEC)
        stream.width = stream.height = SIDE
        stream.pix_fmt = "gray"
        stream.time_base = Fraction(1, 1000)
        for number, values in enumerate(frames):
            frame = av.VideoFrame.from_ndarray(values, format="gray")
            frame.pts = round(number * FRAME_SEC * 1000)
            frame.time_base = Fraction(1, 1000)
            file.mux(stream.encode(frame))
        file.mux(stream.encode())


BUILDER = dataclasses.replace(avdigits.BUILDER, name="avscene", build=build)

if __name__ == "__main__":
    sys.exit(builder.main(BUILDER))
