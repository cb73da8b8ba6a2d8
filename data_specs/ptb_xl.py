"""Builds ptb_xl: ECG of twelve leads, and what cardiologists see in them.

Wagner et al., "PTB-XL, a large publicly available electrocardiography
dataset", Scientific Data 7:154, 2020 (physionet.org/content/ptb-xl, CC BY
4.0): 21,799 records of 10 s, here of 100 Hz. Not for medical use.

The classes are the five diagnostic superclasses, of every statement of a record
whatever its likelihood, as in the authors' example. The split is theirs:
`strat_fold` 9 validates, 10 tests, the others train, and no patient is in two.
The field measures the macro AUROC, after Strodthoff et al., arXiv 2004.13701.

Counted: records without a diagnostic statement, whose label stays unknown, and
ages of 300, which stand for "above 89" and become 90.
"""

import ast
import sys
from collections import Counter
from pathlib import Path

import builder

NEEDED = (
    "ecg_id", "patient_id", "age", "sex", "height", "weight", "scp_codes",
    "strat_fold", "filename_lr",
)  # fmt: skip
SEXES = {"0": "male", "1": "female"}
SPLITS = {9: "validation", 10: "test"}
ABOVE_89 = 300


def build(source: Path, folder: Path) -> int:
    """Writes the files and the manifest; returns the number of records."""
    statements = builder.read_table(
        source / "scp_statements.csv", ("", "diagnostic", "diagnostic_class")
    )
    classes = {
        row[""]: row["diagnostic_class"]
        for row in statements
        if row["diagnostic"] and float(row["diagnostic"]) == 1
    }
    rows, counts = [], Counter()
    for row in builder.read_table(source / "ptbxl_database.csv", NEEDED):
        name = row["filename_lr"]
        files = [
            builder.copy(source, folder, name + s) for s in (".hea", ".dat")
        ]
        if not all(files):
            counts["records that are not there, left out"] += 1
            continue
        found = sorted({classes[c] for c in codes_of(row) if c in classes})
        counts["records without a diagnostic statement"] += not found
        old = bool(row["age"]) and float(row["age"]) >= ABOVE_89
        counts["ages above 89, set to 90"] += old
        rows.append(
            {
                "id": row["ecg_id"],
                "ecg": name,
                "patient": row["patient_id"].removesuffix(".0"),
                "age": "90" if old else row["age"],
                "sex": SEXES.get(row["sex"].removesuffix(".0"), ""),
                "height": row["height"],
                "weight": row["weight"],
                "diagnosis": "|".join(found),
                "split": SPLITS.get(int(row["strat_fold"]), "train"),
            }
        )
    builder.tell(counts)
    return builder.write_manifest(folder, rows)


def codes_of(row: dict[str, str]) -> dict[str, float]:
    """Returns the statements of a record and how likely each is."""
    try:
        return dict(ast.literal_eval(row["scp_codes"]))
    except (ValueError, SyntaxError, TypeError):
        raise ValueError(
            "`scp_codes` must be statements with their likelihood. Received: "
            f"{row['scp_codes'][:80]!r} of record {row['ecg_id']}"
        ) from None


BUILDER = builder.Builder(
    name="ptb_xl",
    source="ptbxl_database.csv, scp_statements.csv and records100/",
    home="https://physionet.org/content/ptb-xl/",
    build=build,
)

if __name__ == "__main__":
    sys.exit(builder.main(BUILDER))
