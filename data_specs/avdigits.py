"""Builds avdigits: pictures of digits, each with the spoken digit.

The 10,000 test images of MNIST meet the 3,000 recordings of the Free Spoken
Digit Dataset (FSDD). Each recording is paired with up to three pictures of its
digit, each picture is used at most once, and neither is in two splits. FSDD's
usual test split holds: takes 0 to 4 test, here 5 to 9 validate.
"""

import gzip
import hashlib
import re
import shutil
import sys
import tarfile
import zlib
from pathlib import Path

import builder
import numpy as np
from PIL import Image

MNIST_URL = "https://storage.googleapis.com/cvdf-datasets/mnist/"
# Name: size in bytes and SHA-256 of the gzip file under MNIST_URL.
MNIST_FILES = {
    "t10k-images-idx3-ubyte.gz": (
        1_648_877,
        "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
    ),
    "t10k-labels-idx1-ubyte.gz": (
        4_542,
        "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
    ),
}
FSDD_URL = (
    "https://codeload.github.com/Jakobovski/free-spoken-digit-dataset/tar.gz/"
    "26eb9aaf76e81b692f806f9140c2d2777410d7a1"
)
# `digest_of` the recordings of that commit. The archive is packed anew now and
# then, so that a checksum of its own would not last.
FSDD_SHA256 = "44c8e2002eef7b944445e96603c78e68ce69f0a0156657cc7c92e6ed7828925f"
RECORDING = re.compile(r"([0-9])_([a-z]+)_([0-9]+)\.wav")
RECORDINGS, PICTURES, TAKES = 3000, 10_000, 3


def build(source: Path, folder: Path) -> int:
    """Writes the files and the manifest; returns the number of samples."""
    labels = read_idx(source / "mnist" / "t10k-labels-idx1-ubyte.gz", ())
    images = read_idx(source / "mnist" / "t10k-images-idx3-ubyte.gz", (28, 28))
    recordings = find_recordings(source / "fsdd")
    (folder / "images").mkdir()
    (folder / "audio").mkdir()
    rows = []
    for image, recording in pair(labels, recordings):
        digit, speaker, take = RECORDING.fullmatch(recording).groups()
        rows.append(
            {
                "id": f"{image:05}",
                "image": f"images/{image:05}.png",
                "audio": f"audio/{recording}",
                "digit": digit,
                "speaker": speaker,
                "recording": recording.removesuffix(".wav"),
                "split": split_of(int(take)),
            }
        )
        Image.fromarray(images[image]).save(folder / rows[-1]["image"])
    for recording in recordings:
        shutil.copyfile(
            source / "fsdd" / recording, folder / "audio" / recording
        )
    return builder.write_manifest(folder, rows)


def pair(labels: np.ndarray, recordings: list[str]) -> list[tuple[int, str]]:
    """Returns (image, recording) pairs of equal class, sorted by image.

    Where pictures are short, as those of 5 are, recordings for training go
    without their third.
    """
    rng = np.random.default_rng(0)
    pairs = []
    for digit in range(10):
        images = rng.permutation(np.flatnonzero(labels == digit))
        takes = [name for name in recordings if name[0] == str(digit)]
        takes.sort(key=lambda name: int(RECORDING.fullmatch(name)[3]))
        for place, image in enumerate(images[: TAKES * len(takes)]):
            pairs.append((int(image), takes[place % len(takes)]))
    return sorted(pairs)


def split_of(take: int) -> str:
    """Returns the split of a recording: FSDD tests with takes 0 to 4."""
    return "test" if take < 5 else "validation" if take < 10 else "train"


def find_recordings(folder: Path) -> list[str]:
    """Returns the sorted file names of all 3,000 recordings."""
    names = sorted(p.name for p in folder.glob("*.wav") if p.is_file())
    names = [name for name in names if RECORDING.fullmatch(name)]
    if len(names) != RECORDINGS:
        raise ValueError(
            f"`{folder}` must hold the {RECORDINGS:,} recordings of FSDD, "
            f"named DIGIT_SPEAKER_TAKE.wav. Received: {len(names):,}"
        )
    return names


def read_idx(path: Path, shape: tuple[int, ...]) -> np.ndarray:
    """Reads a gzipped IDX file of bytes: (10000, *shape) uint8."""
    shape = (PICTURES, *shape)
    head = bytes([0, 0, 8, len(shape)]) + np.array(shape, ">u4").tobytes()
    size = len(head) + int(np.prod(shape))
    try:
        with gzip.open(path) as file:
            raw = file.read(size + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise ValueError(
            f"`{path}` must be the gzip file of MNIST. Received: {error}"
        ) from None
    if len(raw) != size or not raw.startswith(head):
        raise ValueError(
            f"`{path}` must be an IDX file of bytes with shape {shape}. "
            f"Received: {min(len(raw), size + 1):,} of {size:,} bytes, "
            f"starting with {raw[: len(head)].hex()}"
        )
    return np.frombuffer(raw, np.uint8, offset=len(head)).reshape(shape)


def digest_of(folder: Path) -> str:
    """Returns one SHA-256 for the names and contents of all recordings."""
    digest = hashlib.sha256()
    for name in find_recordings(folder):
        content = hashlib.sha256((folder / name).read_bytes()).hexdigest()
        digest.update(f"{content} {name}\n".encode())
    return digest.hexdigest()


def download(source: Path) -> None:
    """Fetches both data sets into `source`, and checks them."""
    for name, (size, sha256) in MNIST_FILES.items():
        builder.fetch(MNIST_URL + name, source / "mnist" / name, size, sha256)
    download_recordings(source)


def download_recordings(source: Path) -> None:
    """Fetches the recordings into `source / "fsdd"`, and checks them."""
    if (source / "fsdd").is_dir():
        check_recordings(source / "fsdd")
        return
    archive = source / "fsdd.tar.gz"
    try:
        builder.fetch(FSDD_URL, archive, 100_000_000, None)
        with builder.new_folder(source / "fsdd") as folder:
            unpack(archive, folder)
            check_recordings(folder)
    finally:
        archive.unlink(missing_ok=True)


def unpack(archive: Path, folder: Path) -> None:
    """Takes the recordings, and nothing else, out of FSDD's archive."""
    try:
        with tarfile.open(archive) as files:
            for member in files:
                name = Path(member.name).name
                if (
                    member.isreg()
                    and member.size < 1_000_000
                    and RECORDING.fullmatch(name)
                ):
                    content = files.extractfile(member).read()
                    (folder / name).write_bytes(content)
    except (tarfile.TarError, EOFError, zlib.error) as error:
        raise ValueError(
            f"`{archive}` must be the archive of FSDD. Received: {error}"
        ) from None


def check_recordings(folder: Path) -> None:
    """Raises ValueError unless these are the recordings of the commit."""
    found = digest_of(folder)
    if found != FSDD_SHA256:
        raise ValueError(
            f"`{folder}` must hold FSDD's recordings of commit "
            f"{FSDD_URL[-40:-33]} (digest {FSDD_SHA256[:16]}); delete it to "
            f"download them. Received: digest {found[:16]}"
        )


BUILDER = builder.Builder(
    name="avdigits",
    source="the folders mnist/ (the two t10k-*.gz) and fsdd/ (3,000 WAV)",
    home="https://github.com/Jakobovski/free-spoken-digit-dataset and "
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
    build=build,
    download=download,
)

if __name__ == "__main__":
    sys.exit(builder.main(BUILDER))
