"""The demo set: handwritten digits, a spoken-like sound and a sentence.

Generated on the spot, without a download. What is real and what is not:

- **Real**: the pictures are scikit-learn's bundled handwritten digits (UCI
  "Optical Recognition of Handwritten Digits", 13 writers, 8x8 pixels), each
  used once; `digit` and `ink` (the share of the clean picture that is ink, in
  percent) were read off them.
- **Synthetic**: the noise on the pictures, every sound (harmonics shaped by
  formants, which glide from vowel to vowel; pitch, speed, size of the mouth,
  loudness and noise vary), every sentence (a small grammar), and the choice of
  the samples that lack a modality or the label `ink`.

No modality tells the digit alone. The picture is noisy; the sound names one of
five pairs of digits; the sentence tells parity and size only, and leaves two
of the pairs open. Together they are enough.
"""

import functools
import tomllib
import wave
from pathlib import Path

import numpy as np
import PIL.Image

from mmkeras import artefact

SPEC = """\
# Written by mmkeras.data.demo; data_specs/demo.toml is the same but for `root`.
name = "demo"
description = \"\"\"
Real handwritten digits (scikit-learn's bundled set: UCI "Optical Recognition
of Handwritten Digits", CC BY 4.0) with synthetic noise, sounds and sentences.
No modality tells the digit alone; together they do. About 5 % of the samples
lack a modality, 3 % the label `ink`.\"\"\"

[data]
root = "."
id_column = "id"

[split]
train = 0.7
validation = 0.15
test = 0.15
stratify = "digit"

[modalities.image]
kind = "image"
column = "image"
optional = true
height = 16
width = 16
channels = 1

[modalities.audio]
kind = "audio"
column = "audio"
optional = true
sample_rate_hz = 8000
duration_sec = 0.5

[modalities.text]
kind = "text"
column = "text"
optional = true
max_tokens = 16
vocabulary_size = 200
tokenizer = "word"

[targets.digit]
kind = "category"
column = "digit"
classes = ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"]

[targets.ink]
kind = "number"
column = "ink"
unit = "%"  # of ink in the clean picture; the model sees a noisy one
weight = 0.5
"""

PICTURES = 1797
RATE_HZ = 8000
SOUND_SAMPLES = 4000
FRAME = 20  # samples that share pitch and formants
IMAGE_NOISE = 0.4  # deviation, as a fraction of full scale
# Share of the samples that lack a modality, and that lack the label `ink`.
LACKING, UNLABELLED = 0.05, 0.03
# Formants in Hz, after the vowels of "beat", "bet", "hot", "bought", "boot".
VOWELS = {
    "i": (280, 2250, 2900),
    "e": (530, 1850, 2500),
    "a": (730, 1100, 2450),
    "o": (500, 800, 2500),
    "u": (310, 870, 2250),
}
# The word of each digit. 0 and 4, 1 and 6, 2 and 3, 5 and 7, 8 and 9 share
# one; parity and size tell neither 0 from 4 nor 5 from 7.
WORDS = ("io", "ai", "ue", "ue", "io", "oa", "ai", "oa", "eu", "eu")
SENTENCES = (
    "an {parity} and {size} number",
    "an {parity} number {bound}",
    "a {size} number , and an {parity} one",
    "this number is {parity} and {size}",
    "the digit is {size} and also {parity}",
    "it is {size} , and {half}",
    "{half} , and it is {bound}",
    "look for something {parity} , something {size}",
    "the one I mean is {parity} ; it is {size} too",
    "{size} and {parity} , that is all I know",
    "{parity} , and rather {size}",
    "my number is {bound} but not {unparity}",
    "my number is {parity} but not {unsize}",
    "it is neither {unparity} nor {unsize}",
)
# What goes into a sentence: for even and odd, for small and large.
PARITY = ("even", "odd")
HALF = ("two divides it", "two leaves a rest")
SIZE = (("small", "low", "little"), ("large", "high", "big"))
BOUND = ("below five", "above four")


def write_demo(folder: str | Path, samples: int = 1500, seed: int = 0) -> Path:
    """Writes the demo set and returns the path of its spec.

    The folder gets `images/`, `audio/`, `manifest.csv` and, last, `demo.toml`.
    The same arguments give the same bytes. See the top of this file for what
    is real and what is synthetic.

    Args:
        folder: Folder to write into; made when missing.
        samples: Number of samples, 100 to 1797 (there is one real picture for
            each).
        seed: Seed of every random choice.

    Example:

    >>> spec = write_demo("data/demo", samples=200)
    """
    if not 100 <= samples <= PICTURES:
        raise ValueError(
            f"`samples` must be from 100 to {PICTURES}, since each real "
            f"picture is used once. Received: samples={samples}"
        )
    folder = Path(folder)
    spec, manifest = folder / "demo.toml", folder / "manifest.csv"
    names = [spec.name, manifest.name]
    for index in range(samples):
        names += files_of(index)
    with artefact.open_out(folder, "demo", names=names):
        for part in ("images", "audio"):
            (folder / part).mkdir(exist_ok=True)
        # Until both are back, a stopped run is no data set.
        spec.unlink(missing_ok=True)
        manifest.unlink(missing_ok=True)
        rows = [
            _write_sample(folder, index, clean, int(digit), seed)
            for index, (clean, digit) in enumerate(
                zip(*draw_pictures(samples, seed))
            )
        ]
        artefact.write_csv(manifest, rows)
        artefact.write_text(spec, SPEC)
    return spec


def files_of(index: int) -> tuple[str, str]:
    """Returns the names of a sample's picture and sound."""
    return f"images/{index:04}.png", f"audio/{index:04}.wav"


def sound(digit: int, rng: np.random.Generator) -> np.ndarray:
    """Returns a sound for `digit`: (4000,) float64 in [-1, 1], at 8 kHz."""
    frames = int(rng.uniform(0.55, 0.95) * SOUND_SAMPLES / FRAME)
    pitch = rng.uniform(100, 220) * np.linspace(1, rng.uniform(0.8, 1), frames)
    first, last = (np.array(VOWELS[vowel]) for vowel in WORDS[digit])
    # From 0, the first vowel, to 1, the last; the glide has its own speed.
    place = 8 * (np.linspace(0, 1, frames) - rng.uniform(0.4, 0.6))
    glide = 1 / (1 + np.exp(-place * rng.uniform(0.7, 1.5)))
    formants = first[:, None] + (last - first)[:, None] * glide
    formants *= rng.normal(1, 0.06)

    # Harmonic times formant times frame, summed over the formants.
    numbers = np.arange(1, int(3600 / pitch.max()) + 1)[:, None, None]
    loudness = (1 / (1 + ((numbers * pitch - formants) / 90) ** 2)).sum(1)
    loudness = np.repeat(loudness / np.sqrt(numbers[:, 0]), FRAME, axis=1)
    phase = 2 * np.pi / RATE_HZ * np.cumsum(np.repeat(pitch, FRAME))
    voice = (loudness * np.sin(numbers[:, 0] * phase)).sum(0)
    edge = np.arange(len(voice))
    voice *= np.clip(np.minimum(edge, edge[::-1]) / 200, 0, 1) / voice.std()
    whole = rng.normal(0, 10 ** rng.uniform(-1.2, -0.4), SOUND_SAMPLES)
    start = rng.integers(0, SOUND_SAMPLES - len(voice))
    whole[start : start + len(voice)] += voice
    return whole / np.abs(whole).max() * rng.uniform(0.3, 0.95)


def sentence(digit: int, rng: np.random.Generator) -> str:
    """Returns a sentence that tells the parity and the size of `digit`."""
    odd, large = digit % 2, int(digit >= 5)
    return str(rng.choice(SENTENCES)).format(
        parity=PARITY[odd],
        unparity=PARITY[1 - odd],
        half=HALF[odd],
        size=rng.choice(SIZE[large]),
        unsize=rng.choice(SIZE[1 - large]),
        bound=BOUND[large],
    )


def picture(clean: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Returns a noisy (16, 16) uint8 picture of a clean (8, 8) one in 0-1."""
    large = 0.25 + 0.5 * np.kron(clean, np.ones((2, 2)))
    large += rng.normal(0, IMAGE_NOISE, large.shape)
    return np.rint(255 * np.clip(large, 0, 1)).astype(np.uint8)


def draw_pictures(samples: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Returns clean pictures (samples, 8, 8) in 0-1 and their digits."""
    # Imported here: the command line should start without scikit-learn.
    from sklearn.datasets import load_digits

    pictures, digits = load_digits(return_X_y=True)
    rng = np.random.default_rng([seed, 0])
    order = rng.permutation(PICTURES)[:samples]
    return pictures[order].reshape(-1, 8, 8) / 16, digits[order]


@functools.cache
def _columns() -> list[str]:
    """Returns the columns of the modalities, in the order of the spec."""
    parts = tomllib.loads(SPEC)["modalities"].values()
    return [part["column"] for part in parts]


def _write_sample(
    folder: Path, index: int, clean: np.ndarray, digit: int, seed: int
) -> dict[str, str]:
    """Writes the files of one sample and returns its row of the manifest."""
    rng = np.random.default_rng([seed, 1, index])
    name = f"{index:04}"
    png, wav = files_of(index)
    columns = _columns()
    row = {
        "id": name,
        **dict(zip(columns, (png, wav, sentence(digit, rng)), strict=True)),
        "digit": str(digit),
        "ink": f"{100 * clean.mean():.2f}",
    }
    if rng.random() < LACKING:
        row[str(rng.choice(columns))] = ""
    if rng.random() < UNLABELLED:
        row["ink"] = ""
    noisy, waveform = picture(clean, rng), sound(digit, rng)
    # Removed, not written over: quicker, and nothing stale or linked stays.
    for file in (png, wav):
        (folder / file).unlink(missing_ok=True)
    if row["image"]:
        PIL.Image.fromarray(noisy).save(folder / png)
    if row["audio"]:
        with wave.open(str(folder / wav), "wb") as file:
            file.setparams((1, 2, RATE_HZ, 0, "NONE", "not compressed"))
            file.writeframes((waveform * 32767).astype("<i2").tobytes())
    return row
