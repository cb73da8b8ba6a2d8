"""Builds crema_d: acted English sentences, heard and seen, and their emotion.

Cao et al., "CREMA-D: Crowd-sourced Emotional Multimodal Actors Dataset", IEEE
Transactions on Affective Computing 5(4), 2014 (Open Database License): 7,442
clips of 91 actors. A name such as 1001_IEO_ANG_HI tells actor, sentence, the
emotion that was acted, and its level.

About ten people said of each clip, with sound and picture, what emotion it is.
What most of them said is `perceived`, empty where two emotions have as many
votes; `agreement` is their share. No kind of target takes shares of classes as
a label, so the votes themselves stand in the manifest only.

1076_MTI_SAD_XX has no sound; `prepare` goes on with its film, and says so.
Files that git-lfs has not fetched count as missing.
"""

import re
import sys
from collections import Counter
from pathlib import Path

import builder

CLIP = re.compile(r"(\d{4})_([A-Z]{3})_([A-Z]{3})_(LO|MD|HI|XX?)")
CLIPS = 7442
EMOTIONS = {
    "A": "anger",
    "D": "disgust",
    "F": "fear",
    "H": "happiness",
    "N": "neutral",
    "S": "sadness",
}
LEVELS = {"LO": "low", "MD": "medium", "HI": "high"}
# Rows of the votes on sound and picture together; others are of one alone.
TOGETHER = "3"


def build(source: Path, folder: Path) -> int:
    """Writes the files and the manifest; returns the number of clips."""
    actors = builder.read_table(
        source / "VideoDemographics.csv", ("ActorID", "Age", "Sex")
    )
    actors = {row["ActorID"]: row for row in actors}
    votes = read_votes(source / "processedResults" / "tabulatedVotes.csv")
    names = {path.stem for path in source.glob("AudioWAV/*.wav")}
    names |= {path.stem for path in source.glob("VideoFlash/*.flv")}
    rows, lacking = [], Counter()
    for name in sorted(filter(CLIP.fullmatch, names)):
        speaker, sentence, emotion, level = CLIP.fullmatch(name).groups()
        files = {
            "audio": builder.copy(source, folder, f"AudioWAV/{name}.wav"),
            "video": builder.copy(source, folder, f"VideoFlash/{name}.flv"),
        }
        lacking.update(f"clips without {k}" for k, v in files.items() if not v)
        if not any(files.values()):
            continue
        heard = votes.get(name, dict.fromkeys(votes[""], ""))
        lacking["clips that no emotion has most votes of"] += not heard[
            "perceived"
        ]
        rows.append(
            {
                "id": name,
                **files,
                "speaker": speaker,
                "sex": actors.get(speaker, {}).get("Sex", "").lower(),
                "age": actors.get(speaker, {}).get("Age", ""),
                "sentence": sentence,
                "emotion": EMOTIONS.get(emotion[0], ""),
                "level": LEVELS.get(level, ""),
                **heard,
            }
        )
    lacking[f"clips of {CLIPS:,} that are not there"] = CLIPS - len(rows)
    builder.tell(lacking)
    return builder.write_manifest(folder, rows)


def read_votes(path: Path) -> dict[str, dict[str, str]]:
    """Returns what people said of each clip; of no clip, empty cells."""
    needed = ("", *EMOTIONS, "fileName", "emoVote", "agreement")
    found = {"": {"perceived": "", "agreement": ""}}
    found[""] |= {f"votes_{name}": "" for name in EMOTIONS.values()}
    for row in builder.read_table(path, needed):
        if row[""].startswith(TOGETHER):
            found[row["fileName"]] = {
                "perceived": EMOTIONS.get(row["emoVote"], ""),
                "agreement": row["agreement"],
                **{f"votes_{EMOTIONS[k]}": row[k] for k in EMOTIONS},
            }
    return found


BUILDER = builder.Builder(
    name="crema_d",
    source="the repository, with AudioWAV, VideoFlash, VideoDemographics.csv "
    "and processedResults/tabulatedVotes.csv",
    home="https://github.com/CheyneyComputerScience/CREMA-D",
    build=build,
)

if __name__ == "__main__":
    sys.exit(builder.main(BUILDER))
