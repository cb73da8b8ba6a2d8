"""What TensorFlow raises while it runs, told in a sentence.

Its own errors are no `ValueError`, and quote the graph for a page.
"""

import re
import sys

# Of an error's text: names of nodes, and where in Python they were made.
NODES = re.compile(r"\{\{[^}]*\}\}|\[\[.*?\]\]|\[Op:[^]]*\]( name: \S*)?")
PLACES = re.compile(
    r"\s*(Graph execution error|Detected at node|File |<stack traces|"
    r"\(\d+\) |\d+ (root error|successful|derived)|Hint: |$)"
)
MOST_CHARACTERS = 300
KEPT = "a training goes on from its last checkpoint by the same command"


def told(error: BaseException) -> Exception | None:
    """Returns an error of one sentence for one of TensorFlow's.

    Args:
        error: Any error.

    Returns:
        An `OSError` where memory ran out, else a `ValueError`; None for an
        error that is not TensorFlow's.

    Example:

    >>> told(tf.errors.DataLossError(None, None, "truncated record at 7"))
    ValueError('TensorFlow must be able to run each step. Received: ...')
    """
    # Whoever has not imported it cannot have met its errors.
    tensorflow = sys.modules.get("tensorflow")
    if tensorflow is None or not isinstance(error, tensorflow.errors.OpError):
        return None
    name = type(error).__name__
    found = f"{name}: {_sentence(error.message)}".rstrip(": ")
    if isinstance(error, tensorflow.errors.ResourceExhaustedError):
        return OSError(
            "TensorFlow must have more memory. Received: "
            f"{found}; a smaller `batch_size` or a smaller model needs less, "
            f"and {KEPT}"
        )
    return ValueError(
        f"TensorFlow must be able to run each step. Received: {found}; {KEPT}"
    )


def _sentence(text: str) -> str:
    """Returns the line of an error's text that says what was wrong."""
    lines = [line for line in text.splitlines() if not PLACES.match(line)]
    lines = [NODES.sub("", line).strip() for line in lines]
    return next(filter(None, lines), "")[:MOST_CHARACTERS]
