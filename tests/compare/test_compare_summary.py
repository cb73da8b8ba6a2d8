"""What a comparison says of arms whose truth is known."""

import numpy as np
import pytest
from compare_toys import COUNTS, TARGETS, toy
from target_toys import target_of

from mmkeras.studies.compare import conclude, summarise, undecided


def said(skills, **settings):
    header, results, answers = toy(skills, **settings)
    return summarise(header, results, TARGETS, answers, {"animal": COUNTS})


@pytest.fixture(scope="module")
def clear():
    return said(
        {"full": 0.6, "component": 0.8, "image_alone": 0.5, "sound_alone": 0.4},
        fractions=(0.1, 1.0),
    )


def entry_of(report):
    return report["targets"]["animal"]


def test_a_clear_difference_is_decided_and_told(clear):
    row = entry_of(clear)["pairs"][-1]
    assert (row["first"], row["second"]) == ("full", "component")
    assert row["mean"] == pytest.approx(-0.2, abs=0.01)
    assert row["high"] < 0 and row["decided"]
    assert (row["below"], row["sign_flip_p"]) == (5, 0.0625)
    told = entry_of(clear)["conclusion"][0]
    assert told.startswith(
        "With all labels, `component` is better than `full`: accuracy 0.800 "
        "against 0.600; it is 20.0 points ahead"
    )


def test_every_arm_of_every_fraction_has_a_row_with_its_seeds(clear):
    table = entry_of(clear)["table"]
    assert len(table) == 2 * 4
    for row in table:
        assert len(row["values"]) == 5
        assert row["low"] <= row["mean"] <= row["high"]
        assert row["mean"] == pytest.approx(np.mean(row["values"]))
        assert row["metrics"]["accuracy"] == pytest.approx(row["mean"])


def test_modalities_alone_and_the_majority_class_are_there(clear):
    entry = entry_of(clear)
    assert [row["second"] for row in entry["alone"]] == [
        "image_alone",
        "sound_alone",
    ]
    assert entry["majority"]["name"] == "majority class"
    assert 0.2 < entry["majority"]["mean"] < 0.5
    text = " ".join(entry["conclusion"])
    assert "Each modality alone: image 0.500 and sound 0.400" in text
    assert "Fusing gains 10.0 points on image alone" in text
    assert f"The majority class gives {entry['majority']['mean']:.3f}." in text


def test_equal_arms_are_not_decided_and_it_says_so():
    report = said({"full": 0.7, "component": 0.7}, spread=0.02)
    row = entry_of(report)["pairs"][0]
    assert row["low"] < 0 < row["high"] and not row["decided"]
    told = entry_of(report)["conclusion"][0]
    assert told.startswith("With all labels, the data do not decide between")
    more = " ".join(undecided(entry_of(report), report))
    assert "with 5 seeds; with 6 it can show a difference" in more


def test_the_same_arm_under_two_names_differs_by_exactly_nothing():
    header, results, answers = toy({"full": 0.7, "twin": 0.7})
    known = {each["seed"]: each for each in results if each["arm"] == "full"}
    results = [{**known[each["seed"]], "arm": each["arm"]} for each in results]

    def same(result, target):
        return answers({**result, "arm": "full"}, target)

    report = summarise(header, results, TARGETS, same, {"animal": COUNTS})
    row = entry_of(report)["pairs"][0]
    assert (row["mean"], row["low"], row["high"]) == (0.0, 0.0, 0.0)
    assert (row["p"], row["equal"], row["decided"]) == (1.0, 5, False)
    assert "`twin` does not differ at all" in entry_of(report)["conclusion"][0]


def test_the_same_skill_over_other_seeds_is_rarely_decided():
    decided = 0
    for draw in range(8):
        report = said(
            {"full": 0.7, "component": 0.7},
            spread=0.02, draw=draw, samples=100, seeds=4,
        )  # fmt: skip
        decided += entry_of(report)["pairs"][0]["decided"]
    # See the thousand of them in the tests of the statistics.
    assert decided <= 1


def test_two_seeds_decide_nothing():
    report = said({"full": 0.5, "component": 0.9}, seeds=2)
    entry = entry_of(report)
    assert not entry["pairs"][0]["decided"]
    assert "2 seeds decide nothing" in " ".join(entry["conclusion"])
    three = entry_of(said({"full": 0.5, "component": 0.9}, seeds=3))
    assert three["pairs"][0]["decided"]


def test_test_samples_of_few_groups_widen_the_interval():
    """As many samples, but of three speakers, who hang together."""
    header, results, answers = toy({"full": 0.6, "component": 0.7}, seeds=3)
    header |= {"group": "speaker", "groups": [f"{i % 3}" for i in range(200)]}
    report = summarise(header, results, TARGETS, answers, {"animal": COUNTS})
    entry = entry_of(report)
    alone = entry_of(said({"full": 0.6, "component": 0.7}, seeds=3))
    row, before = entry["pairs"][0], alone["pairs"][0]
    assert row["mean"] == before["mean"]
    assert row["high"] - row["low"] != before["high"] - before["low"]
    assert (entry["units"], alone["units"]) == (3, 200)
    told = " ".join(entry["conclusion"])
    assert "3 groups of `speaker`: fewer than 8" in told
    assert "more groups of test samples than 3" in " ".join(
        undecided({**entry, "pairs": [{**row, "decided": False}]}, report)
    )


def test_arms_in_another_order_flip_the_signs_and_nothing_else():
    header, results, answers = toy({"full": 0.7, "component": 0.72})
    arms = header["arms"][::-1]
    one = summarise(header, results, TARGETS, answers, {"animal": COUNTS})
    other = summarise(
        {**header, "arms": arms}, results, TARGETS, answers, {"animal": COUNTS}
    )
    a, b = entry_of(one)["pairs"][0], entry_of(other)["pairs"][0]
    assert a["mean"] == -b["mean"]
    assert (a["low"], a["high"]) == (-b["high"], -b["low"])
    for name in ("p", "p_holm", "sign_flip_p", "decided"):
        assert a[name] == b[name]


def test_what_is_not_enough_among_many_differences_is_not_decided():
    header, results, answers = toy({"full": 0.7, "component": 0.8})
    report = summarise(header, results, TARGETS, answers, {"animal": COUNTS})
    entry = entry_of(report)
    row = entry["pairs"][0]
    weak = {**row, "decided": False, "p_holm": 0.2}
    entry = {**entry, "pairs": [weak] * 9}
    told = conclude(entry, report)[0]
    assert "do not decide" in told
    assert "not enough among 9 differences" in told


def test_pretraining_is_on_the_axis_of_the_budget(clear):
    curves = {
        row["arm"]: row
        for row in entry_of(clear)["curves"]
        if row["fraction"] == 1.0
    }
    assert curves["full"]["samples"] == [100, 200, 300, 400, 500, 600]
    assert curves["component"]["samples"] == [300, 400, 500, 600]
    assert curves["full"]["mean"][-1] == pytest.approx(0.6 * (1 - 5 / 60))


def test_seeds_of_other_steps_meet_on_lines_between_their_epochs():
    header, results, answers = toy({"full": 0.7, "component": 0.8}, seeds=2)
    for each, end in zip(results, (20, 40, 20, 40), strict=True):
        each["curve"] = {"animal": [[10, 2.0, 0.0], [end, end / 5, 1.0]]}
    report = summarise(header, results, TARGETS, answers, {"animal": COUNTS})
    row = entry_of(report)["curves"][0]
    assert row["samples"] == [100, 200]
    assert row["mean"] == pytest.approx([0.0, (1 + 1 / 3) / 2])


def test_a_budget_of_seconds_is_on_the_axis_in_seconds():
    header, results, answers = toy({"full": 0.7, "component": 0.8}, seeds=2)
    header = {**header, "budget": {"kind": "seconds", "value": 12.0}}
    report = summarise(header, results, TARGETS, answers, {"animal": COUNTS})
    row = entry_of(report)["curves"][0]
    assert row["seconds"] == [2.0, 4.0, 6.0, 8.0, 10.0, 12.0]
    assert "samples" not in row


def test_a_stage_that_the_budget_left_out_is_told():
    header, results, answers = toy({"full": 0.7, "component": 0.8}, seeds=2)
    for each in results:
        if each["arm"] == "component":
            each["spent"]["left_out"] = ["all"]
    report = summarise(header, results, TARGETS, answers, {"animal": COUNTS})
    assert entry_of(report)["conclusion"][-1] == (
        "In 2 runs of `component` the budget was over before the stage `all`."
    )


def test_absence_and_noise_have_a_row_an_arm_and_level(clear):
    entry = entry_of(clear)
    assert [(r["arm"], r["name"]) for r in entry["absent"]][:3] == [
        ("full", "all modalities"),
        ("full", "only image"),
        ("full", "only sound"),
    ]
    levels = [
        row["level"]
        for row in entry["noise"]
        if (row["arm"], row["modality"]) == ("component", "sound")
    ]
    assert levels == [None, 20.0, 10.0, 0.0, -10.0]
    assert "image absent: `full` 30.0 points" in " ".join(entry["conclusion"])


def test_the_cost_is_told_beside_the_first_arm(clear):
    assert (
        "`component` took 1.5 times the seconds of `full`."
        in (entry_of(clear)["conclusion"])
    )
    row = clear["costs"][0]
    assert (row["steps"], row["samples"]) == (60, 600)


def test_an_arm_that_knows_no_more_than_frequencies_is_named():
    report = said({"full": 0.3, "component": 0.32})
    told = " ".join(entry_of(report)["conclusion"])
    assert "that `component` and `full` learned" in told.replace(
        "`full` and `component`", "`component` and `full`"
    )


def test_a_smaller_error_is_the_better_arm():
    draw = np.random.default_rng(0)
    header, results, _ = toy({"full": 0.7, "component": 0.8})
    labels, weights = draw.normal(50, 10, 200), np.ones(200, "float32")
    wrong = {"full": 8.0, "component": 4.0}
    outputs = {
        (each["arm"], each["seed"]): (
            labels + draw.normal(0, wrong[each["arm"]], 200)
        )[:, None]
        for each in results
    }
    for each in results:
        each["metrics"] = {"size": {"mae": 1.0}}
        each["clean"], each["harder"] = {"size": 1.0}, []
        each["curve"], each["classes"] = {"size": []}, {}
    report = summarise(
        header,
        results,
        {"size": target_of("number", unit="mm")},
        lambda r, _: (labels, outputs[r["arm"], r["seed"]], weights),
        {"size": {"mean": 50.0, "std": 10.0}},
    )
    entry = report["targets"]["size"]
    row = entry["pairs"][0]
    assert row["mean"] == pytest.approx(4 * np.sqrt(2 / np.pi), rel=0.1)
    assert row["decided"] and entry["smaller_is_better"]
    told = entry["conclusion"][0]
    assert told.startswith("With all labels, `component` is better than `full`")
    assert "mm ahead of `full` (95 % interval 2" in told
    assert entry["majority"]["name"] == "mean of training"


def test_a_target_without_a_label_has_no_answer():
    header, results, answers = toy({"full": 0.7, "component": 0.8})
    for each in results:
        each["metrics"] = {"animal": {}}
        each["clean"] = {"animal": None}
        each["classes"] = {}
        each["harder"] = [
            [done, {"animal": None}] for done, _ in each["harder"]
        ]

    def unlabelled(result, target):
        labels, outputs, weights = answers(result, target)
        return labels, outputs, np.zeros_like(weights)

    report = summarise(header, results, TARGETS, unlabelled, {})
    assert entry_of(report)["conclusion"] == [
        "No sample of the test split has a label."
    ]
