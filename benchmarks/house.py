"""The figures of the house: facts of kinds elsewhere, floors, lengths.

    python benchmarks/house.py

Aims: no file outside `kinds/` that uses the names of kinds, no import
upwards, no circle, no file longer than 300 lines; a modality and a target of
one's own in at most 150 lines.
"""

import sys
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1] / "tests"


def main() -> None:
    """Prints each figure with its aim."""
    # They are measured as the tests hold them.
    sys.path.insert(0, str(TESTS))
    import house

    knowers, up, lengths = house.knowers(), house.upward(), house.lengths()
    longest = max(lengths, key=lengths.get)
    print(f"files                        {len(lengths):5}")
    print(f"lines                        {sum(lengths.values()):5}")
    print(f"uses of kinds' names outside {sum(knowers.values()):5}  aim 0")
    for name, count in sorted(knowers.items()):
        print(f"    {name}: {count}")
    print(f"files that import upwards    {len(up):5}  aim 0")
    print(f"files in circles             {len(house.circle()):5}  aim 0")
    print(f"longest file, lines          {lengths[longest]:5}  aim 300")
    print(f"    {longest}")


if __name__ == "__main__":
    main()
