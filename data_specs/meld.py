"""Builds meld: what is said in a series, heard and seen, and its emotion.

Poria et al., "MELD", ACL 2019, arXiv 1810.02508 (annotations GPL-3.0, films
of the series Friends for research only): 13,708 utterances of 1,433 dialogues.
The split is the original's, and parts no dialogue.

Of dia110_utt7 (dev) there is no clip: an utterance without one keeps its text,
and is counted. dia125_utt3 (train) is a broken file, without which `prepare`
goes on, and says so. Clips that no row names are left where they are. Some
clips are cut wrongly and last minutes, as dia38_utt4 and dia220_utt0 (test);
the spec reads their first seconds.
"""

import sys
from collections import Counter
from pathlib import Path

import builder

# The split: its table, and the folder of its clips.
PARTS = {
    "train": ("train_sent_emo.csv", "train_splits"),
    "dev": ("dev_sent_emo.csv", "dev_splits_complete"),
    "test": ("test_sent_emo.csv", "output_repeated_splits_test"),
}
NEEDED = (
    "Utterance", "Speaker", "Emotion", "Sentiment", "Dialogue_ID",
    "Utterance_ID",
)  # fmt: skip
# Characters of Windows-1252 that were read as ISO 8859-1.
MISREAD = {i: bytes([i]).decode("cp1252", "replace") for i in range(128, 160)}


def build(source: Path, folder: Path) -> int:
    """Writes the files and the manifest; returns the number of utterances."""
    rows, counts = [], Counter()
    for part, (table, clips) in PARTS.items():
        # Unpacked, the archive has some of them in a folder a part.
        place = source / part if (source / part / clips).is_dir() else source
        path = next(
            (p for p in (place / table, source / table) if p.is_file()), None
        )
        if path is None:
            raise ValueError(
                f"`{source}` must be MELD.Raw, unpacked. Received: no {table}"
            )
        for row in builder.read_table(path, NEEDED):
            dialogue, number = row["Dialogue_ID"], row["Utterance_ID"]
            name = f"{clips}/dia{dialogue}_utt{number}.mp4"
            clip = builder.copy(place, folder, name)
            counts[f"utterances of {part} without a clip"] += not clip
            text = row["Utterance"].translate(MISREAD).strip()
            counts["utterances with misread letters, mended"] += (
                text != row["Utterance"].strip()
            )
            rows.append(
                {
                    "id": f"{part}_{dialogue}_{number}",
                    "dialogue": f"{part}_{dialogue}",
                    "speaker": row["Speaker"].translate(MISREAD),
                    "text": text,
                    "clip": clip,
                    "emotion": row["Emotion"],
                    "sentiment": row["Sentiment"],
                    "split": part,
                }
            )
    builder.tell(counts)
    return builder.write_manifest(folder, rows)


BUILDER = builder.Builder(
    name="meld",
    source="MELD.Raw, unpacked: three tables such as train_sent_emo.csv, and "
    "train_splits, dev_splits_complete and output_repeated_splits_test",
    home="https://affective-meld.github.io",
    build=build,
)

if __name__ == "__main__":
    sys.exit(builder.main(BUILDER))
