"""The search for a file that fits, on a made-up cost of everything."""

import json
from pathlib import Path

import pytest

from mmkeras import artefact
from mmkeras.studies.shrink import (
    Budget,
    Candidate,
    OutOfReach,
    best,
    frontier,
    search,
    table,
    write_search,
)


class Workshop:
    """Models are names; size falls with what is left, the drop grows."""

    quantize = ("int8",)

    def __init__(self, budget, pruned_drop=0.01, student_drop=0.03):
        self.budget = budget
        self.drops = {"pruned": pruned_drop, "student": student_drop}
        self.trained = []

    def prune(self, fraction):
        self.trained.append(f"pruned {fraction:.3f}")
        return Path(f"{fraction}")

    def students(self):
        def train(share):
            self.trained.append(f"student {share}")
            return Path(f"{share}")

        for share in (0.5, 0.25, 0.1, 0.05):
            yield f"{share} wide", share, lambda share=share: train(share)

    def measure(self, name, method, path, quantize):
        left = 1.0 if method == "as trained" else float(str(path))
        size, time = 100 * left, 10 * left + 1
        drop = self.drops.get(method, 0) * (1 - left)
        if quantize == "int4":
            size, drop = size * 0.6, drop + 0.002
        return Candidate(
            name, method, str(path), quantize, size, time, drop,
            fits=self.budget.excess(size, time) <= 1,
        )  # fmt: skip

    def run(self):
        return search(
            Path("1"), self.prune, self.students(), self.measure,
            self.budget, self.quantize, report=lambda line: None,
        )  # fmt: skip


def test_what_fits_already_is_left_alone():
    shop = Workshop(Budget(size_kb=120))
    found = shop.run()
    assert [c.name for c in found] == ["as trained, int8"] and not shop.trained


@pytest.mark.parametrize(
    ("budget", "least"),
    [
        (Budget(size_kb=60), 1),
        (Budget(size_kb=30), 2),
        (Budget(size_kb=8), 3),
        (Budget(latency_ms=3), 2),
        (Budget(size_kb=90, latency_ms=2), 3),
    ],
)
def test_it_prunes_until_a_file_fits_and_tries_a_student(budget, least):
    shop = Workshop(budget)
    found = shop.run()
    pruned = [c for c in found if c.method == "pruned"]
    assert len(pruned) >= least and any(c.fits for c in pruned)
    assert not any(c.fits for c in pruned[: least - 1])
    chosen = best(found)
    assert budget.excess(chosen.size_kb, chosen.latency_ms) <= 1
    fitting = [c for c in found if c.fits]
    assert chosen.drop == min(c.drop for c in fitting)
    # No student was trained that could not have fitted.
    students = [c for c in found if c.method == "student"]
    assert sum(c.fits for c in students) == 1 and students[-1].fits


def test_students_are_tried_where_pruning_ends():
    class Stuck(Workshop):
        def prune(self, fraction):
            raise OutOfReach("nothing is left to remove")

    lines = []
    shop = Stuck(Budget(size_kb=30))
    found = search(
        Path("1"), shop.prune, shop.students(), shop.measure, shop.budget,
        report=lines.append,
    )  # fmt: skip
    assert best(found).method == "student"
    assert "pruned no further: nothing is left to remove" in lines


def test_the_better_method_wins():
    good = Workshop(Budget(size_kb=30), pruned_drop=0.2, student_drop=0.01)
    assert best(good.run()).method == "student"
    good = Workshop(Budget(size_kb=30), pruned_drop=0.01, student_drop=0.2)
    assert best(good.run()).method == "pruned"


def test_four_bits_are_tried_before_more_is_pruned():
    shop = Workshop(Budget(size_kb=65))
    shop.quantize = ("int8", "int4")
    found = shop.run()
    assert [c.name for c in found] == ["as trained, int8", "as trained, int4"]
    assert best(found).quantize == "int4" and not shop.trained


def test_a_budget_that_nothing_meets_shows_what_was_reached():
    shop = Workshop(Budget(latency_ms=0.5))
    with pytest.raises(ValueError, match="none of") as error:
        best(shop.run())
    assert "as trained" in str(error.value) and "ms" in str(error.value)


def candidate(name, size, drop, fits=True, method="pruned"):
    return Candidate(name, method, "m", "int8", size, size / 10, drop, fits)


FOUR = [
    candidate("a", 100, 0.0, method="as trained"),
    candidate("b", 50, 0.01),
    candidate("c", 60, 0.02),
    candidate("d", 20, 0.05, method="student"),
]


def test_the_frontier_holds_what_nothing_beats():
    assert [c.name for c in frontier(FOUR)] == ["a", "b", "d"]
    assert [
        row.endswith("frontier") for row in table(FOUR).split("\n")[1:]
    ] == [True, True, False, True]


def test_a_search_is_written_as_table_and_picture(tmp_path):
    folder = tmp_path / "search"
    write_search(folder, FOUR, Budget(size_kb=55), target="raspberry-pi-4")
    manifest = artefact.read_manifest(folder, "search")
    assert manifest["budget"] == {"size_kb": 55, "latency_ms": None}
    assert manifest["target"] == "raspberry-pi-4"
    rows = json.loads((folder / "frontier.json").read_text(encoding="utf-8"))
    assert [row["size_kb"] for row in rows] == [100, 50, 60, 20]
    picture = (folder / "frontier.png").read_bytes()
    assert picture[:4] == b"\x89PNG" and len(picture) > 10_000


@pytest.mark.parametrize("limits", [{"size_kb": 0}, {"latency_ms": -1.0}])
def test_a_limit_must_be_positive(limits):
    name = next(iter(limits))
    with pytest.raises(ValueError, match=f"`{name}` must be above 0"):
        Budget(**limits)
