"""A few tries of each fault that `make fuzz` makes by the thousand."""

from types import SimpleNamespace

import pytest
from faults import fuzz

TRIES = 3


def named(one):
    return f"{one.number}: {one.name}"


@pytest.mark.parametrize("one", fuzz.collected(), ids=named)
def test_a_few_tries_survive(one):
    # One of what takes seconds: it is tried seldom by `make fuzz`, too.
    for number in range(TRIES if one.tries > 50 else 1):
        one.one(number)


def test_failures_are_counted_and_repeat(monkeypatch, capsys):
    seen = []

    def cut(draw):
        return draw.randrange(100)

    def reading(case, folder):
        assert folder.is_dir() and not any(folder.iterdir())
        seen.append(case)
        if case % 2:
            raise SystemExit(f"odd {case}")

    monkeypatch.setattr(fuzz, "FAULTS", [])
    monkeypatch.setattr(fuzz, "HERE", SimpleNamespace(glob=lambda name: []))
    fuzz.fault(8, cut, reading, tries=40)
    fuzz.fault(9, cut, lambda case, folder: None, tries=40)
    assert fuzz.main(["--tries", "30"]) == 1
    first, seen[:] = list(seen), []
    failed = sum(case % 2 for case in first)
    assert 0 < failed < 30 and len(set(first)) > 10
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["8", "30", str(30 - failed), str(failed)] in lines
    assert ["9", "30", "30", "0"] in lines
    assert ["all", "60", str(60 - failed), str(failed)] in lines
    assert fuzz.main(["--faults", "8"]) == 1
    assert seen[:30] == first and len(seen) == 40
    assert fuzz.main(["--faults", "9"]) == 0
    # In parts, which are the same tries.
    seen.clear()
    fuzz.main(["--faults", "8", "--first", "25", "--tries", "10"])
    assert seen[:5] == first[25:] and len(seen) == 10
    assert fuzz.main(["--faults", "8", "--seconds", "-1"]) == 0
