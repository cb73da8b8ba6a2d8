"""Builds fsdd: spoken digits, the set that a tower of sound may learn from.

The 3,000 recordings of the Free Spoken Digit Dataset. Its usual test split
holds: takes 0 to 4 test, here 5 to 9 validate.
"""

import shutil
import sys
from pathlib import Path

import avdigits
import builder


def build(source: Path, folder: Path) -> int:
    """Writes the files and the manifest; returns the number of samples."""
    inside = source / "fsdd"
    source = inside if inside.is_dir() else source
    (folder / "audio").mkdir()
    rows = []
    for name in avdigits.find_recordings(source):
        digit, speaker, take = avdigits.RECORDING.fullmatch(name).groups()
        rows.append(
            {
                "id": name.removesuffix(".wav"),
                "audio": f"audio/{name}",
                "digit": digit,
                "speaker": speaker,
                "split": avdigits.split_of(int(take)),
            }
        )
        shutil.copyfile(source / name, folder / "audio" / name)
    return builder.write_manifest(folder, rows)


BUILDER = builder.Builder(
    name="fsdd",
    source="the 3,000 WAV files of FSDD, or with fsdd/, which holds them",
    home="https://github.com/Jakobovski/free-spoken-digit-dataset",
    build=build,
    download=avdigits.download_recordings,
)

if __name__ == "__main__":
    sys.exit(builder.main(BUILDER))
