"""Builds easyvqa: questions about a picture of one shape.

Every picture has several questions, such as "is there a red shape?". The
usual test split holds; of the pictures that train, every tenth validates with
all its questions. easyvqa.toml answers with a class, easyvqa_text.toml with a
text that is written.
"""

import json
import re
import sys
import zipfile
from pathlib import Path

import builder

PICTURE = re.compile(r"(\d{1,6})\.png")
# Of one picture of 64 by 64 pixels.
MAX_BYTES = 100_000
QUESTIONS = {"train": 38_575, "test": 9_673}


def build(source: Path, folder: Path) -> int:
    """Writes the files and the manifest; returns the number of questions."""
    rows = []
    for part, count in QUESTIONS.items():
        pictures = unpack(source / part, folder / "images" / part)
        asked = read_questions(source / part / "questions.json")
        if len(asked) != count:
            raise ValueError(
                f"`{source / part}` must hold {count:,} questions. Received: "
                f"{len(asked):,}"
            )
        for place, (question, answer, picture) in enumerate(asked):
            if picture not in pictures:
                raise ValueError(
                    f"`{source / part}` must hold the picture of every "
                    f"question. Received: none called {picture}.png"
                )
            validates = part == "train" and picture % 10 == 9
            rows.append(
                {
                    "id": f"{part}-{place}",
                    "image": f"images/{part}/{picture}.png",
                    "question": question,
                    "answer": answer,
                    "split": "validation" if validates else part,
                }
            )
    return builder.write_manifest(folder, rows)


def unpack(source: Path, folder: Path) -> set[int]:
    """Unpacks the pictures of a part; returns their numbers."""
    folder.mkdir(parents=True)
    found = set()
    packed = source / "images.zip"
    if packed.is_file():
        try:
            with zipfile.ZipFile(packed) as archive:
                for member in archive.infolist():
                    name = PICTURE.fullmatch(member.filename)
                    if name and member.file_size <= MAX_BYTES:
                        data = archive.read(member)
                        (folder / member.filename).write_bytes(data)
                        found.add(int(name[1]))
        except zipfile.BadZipFile as error:
            raise ValueError(
                f"`{packed}` must be a zip file of pictures. Received: {error}"
            ) from None
        return found
    for path in sorted((source / "images").glob("*.png")):
        name = PICTURE.fullmatch(path.name)
        if name:
            (folder / path.name).write_bytes(path.read_bytes())
            found.add(int(name[1]))
    if not found:
        raise ValueError(
            f"`{source}` must hold images.zip, or images/ with its pictures. "
            "Received: neither"
        )
    return found


def read_questions(path: Path) -> list[tuple[str, str, int]]:
    """Returns question, answer and number of the picture."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        return [(str(q), str(a), int(number)) for q, a, number in found]
    except (OSError, ValueError, TypeError) as error:
        raise ValueError(
            f"`{path}` must be a list of question, answer and picture. "
            f"Received: {error}"
        ) from None


BUILDER = builder.Builder(
    name="easyvqa",
    source="train/ and test/, each with images.zip and questions.json",
    home="https://github.com/vzhou842/easy-VQA",
    build=build,
)

if __name__ == "__main__":
    sys.exit(builder.main(BUILDER))
