"""What is evaluated of texts that were generated."""

import numpy as np


def answers_of(
    ids: np.ndarray,
    chances: np.ndarray,
    letters: str,
    true: np.ndarray | None = None,
    references: int = 1,
) -> np.ndarray:
    """Returns what is evaluated of texts that were generated.

    Args:
        ids: `(rows, tokens)`.
        chances: Their log-probabilities.
        letters: The character of each id from `FIRST` on.
        true: Log-probabilities of the labels, `(rows, references * tokens)`;
            None where they are not known.
        references: Labels of a row.

    Returns:
        `(rows, 2 + references, tokens)`: code points, 0 behind the end;
        log-probabilities; and those of the labels, 1 where unknown.
    """
    codes = np.array([0, 0, 0, *map(ord, letters)])[ids]
    rows, size = ids.shape
    known = np.ones((rows, references, size))
    if true is not None:
        known = np.asarray(true).reshape(rows, references, size)
    parts = [codes[:, None], chances[:, None], known]
    return np.concatenate(parts, axis=1).astype(np.float32)
