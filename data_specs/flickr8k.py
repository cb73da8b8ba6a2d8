"""Builds flickr8k: photographs with five captions each.

The usual split holds: 6,000 photographs train, 1,000 validate and 1,000 test.
Those that no list names are left out.
"""

import shutil
import sys
from pathlib import Path

import builder

LISTS = {
    "train": ("Flickr_8k.trainImages.txt", 6000),
    "validation": ("Flickr_8k.devImages.txt", 1000),
    "test": ("Flickr_8k.testImages.txt", 1000),
}
CAPTIONS, CAPTIONS_EACH = "Flickr8k.token.txt", 5
# As the authors spell it.
PICTURES = "Flicker8k_Dataset"
# Between two captions of a cell; flickr8k.toml says so too.
SEPARATOR = " || "


def build(source: Path, folder: Path) -> int:
    """Writes the files and the manifest; returns the number of photographs."""
    captions = read_captions(find(source, CAPTIONS))
    pictures = find(source, PICTURES)
    (folder / "images").mkdir()
    rows = []
    for split, (file, count) in LISTS.items():
        names = lines_of(find(source, file))
        if len(set(names)) != count or len(names) != count:
            raise ValueError(
                f"`{file}` must list {count:,} photographs, each once. "
                f"Received: {len(names):,}, {len(set(names)):,} of them "
                "different"
            )
        for name in names:
            texts = captions.get(name, ())
            path = pictures / name
            if len(texts) != CAPTIONS_EACH or not path.is_file():
                raise ValueError(
                    f"`{name}` must be a photograph with {CAPTIONS_EACH} "
                    f"captions. Received: {len(texts)} captions, and "
                    + ("a" if path.is_file() else "no")
                    + " photograph"
                )
            shutil.copyfile(path, folder / "images" / name)
            rows.append(
                {
                    "id": Path(name).stem,
                    "image": f"images/{name}",
                    "captions": SEPARATOR.join(texts),
                    "split": split,
                }
            )
    check_apart(rows)
    return builder.write_manifest(folder, rows)


def find(source: Path, name: str) -> Path:
    """Returns a file or folder of the source, also of a folder inside."""
    found = [source / name, *sorted(source.glob(f"*/{name}"))]
    for path in found:
        if path.exists():
            return path
    raise ValueError(
        f"`{source}` must hold {name}, or a folder with it. Received: neither"
    )


def read_captions(path: Path) -> dict[str, list[str]]:
    """Returns the captions by name of the photograph."""
    found: dict[str, list[str]] = {}
    for number, line in enumerate(lines_of(path), 1):
        key, _, text = line.partition("\t")
        name, _, place = key.partition("#")
        text = " ".join(text.split())
        if not text or not place.isdecimal() or Path(name).name != name:
            raise ValueError(
                f"`{path}`, line {number}, must be NAME.jpg#NUMBER, a tab and "
                f"a caption. Received: {line[:80]!r}"
            )
        if SEPARATOR.strip() in text:
            raise ValueError(
                f"`{path}`, line {number}, must have no {SEPARATOR.strip()!r} "
                f"in it, which separates captions. Received: {line[:80]!r}"
            )
        found.setdefault(name, []).append(text)
    return found


def lines_of(path: Path) -> list[str]:
    """Returns the lines of a text file that are not blank."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except UnicodeDecodeError as error:
        raise ValueError(
            f"`{path}` must be a text in UTF-8. Received: {error}"
        ) from None
    return [line for line in map(str.strip, lines) if line]


def check_apart(rows: list[dict]) -> None:
    """Raises ValueError for a photograph that is in two lists."""
    splits: dict[str, str] = {}
    for row in rows:
        other = splits.setdefault(row["image"], row["split"])
        if other != row["split"]:
            raise ValueError(
                f"`{row['image']}` must be in one split. Received: {other} "
                f"and {row['split']}"
            )


BUILDER = builder.Builder(
    name="flickr8k",
    source=f"{PICTURES}/, {CAPTIONS} and the three lists of photographs",
    home="https://hockenmaier.cs.illinois.edu/8k-pictures.html",
    build=build,
)

if __name__ == "__main__":
    sys.exit(builder.main(BUILDER))
