"""What reading changed in samples, in sentences with their shares."""

from collections.abc import Mapping


def shares(
    notes: Mapping[str, int],
    samples: int,
    parts: Mapping[str, tuple[int, str]],
) -> list[str]:
    """Returns a sentence a note, with its share of samples or of their parts.

    Args:
        notes: Of `Sample.notes`, added up over all samples.
        samples: How many were read.
        parts: By note that counts no samples: how many parts a sample has, 0
            where that differs, and what they are called.

    Example:

    >>> shares({"cut": 1, "gap_steps": 30}, 2, {"gap_steps": (100, "steps")})
    ['cut: 1 (50.0% of 2 samples)', 'gap steps: 30 (15.0% of 200 steps)']
    """
    said = []
    for note, count in notes.items():
        size, what = parts.get(note, (1, "samples"))
        share = f" ({count / max(samples * size, 1):.1%} of "
        share += f"{samples * size:,} {what})"
        said.append(
            f"{note.replace('_', ' ')}: {count:,}{share if size else ''}"
        )
    return said
