"""Runs the clauses and gathers their errors."""

from collections.abc import Callable, Mapping


def run_clauses(
    part: str, clauses: Mapping[str, Callable[[], object]], skip: tuple = ()
) -> dict[str, str]:
    """Runs every clause, also those after one that fails.

    Args:
        part: What is checked, for the error.
        clauses: A function by name, which raises ValueError.
        skip: Clauses left out.

    Returns:
        "kept" or "skipped" by clause.

    Raises:
        ValueError: If any clause is broken; all of them are named.
    """
    unknown = sorted(set(skip) - set(clauses))
    if unknown:
        raise ValueError(
            f"`skip` must name clauses. Received: {', '.join(unknown)}. "
            f"Choices: {', '.join(clauses)}"
        )
    found, broken = {}, []
    for name, clause in clauses.items():
        if name in skip:
            found[name] = "skipped"
            continue
        try:
            clause()
            found[name] = "kept"
        except Exception as error:
            broken.append(f"- {name}: {_short(error)}")
    if broken:
        raise ValueError(
            f"`{part}` must keep every clause of the contract. Received:\n"
            + "\n".join(broken)
        )
    return found


def same(what: str, found: object, expected: object) -> None:
    """Raises ValueError unless both are equal."""
    if found != expected:
        raise ValueError(f"{what} {expected}. Received: {found}")


def _short(error: Exception) -> str:
    """Returns what Keras' long messages end in, or the message itself."""
    text = str(error).split("Exception encountered: ")[-1]
    return text if len(text) < 500 else f"{text[:500]} ..."
