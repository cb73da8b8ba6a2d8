"""Numbers as cells of a table write them."""


def number_of(cell: str) -> float:
    """Returns the number of a cell.

    `float` alone would also read what Python writes in its programs: 1_0 is
    ten there, and a code or a range in a table.

    Raises:
        ValueError: If it is no number.

    Example:

    >>> number_of("1.5e3")
    1500.0
    """
    if "_" in cell:
        raise ValueError(f"could not convert string to float: {cell!r}")
    return float(cell)
