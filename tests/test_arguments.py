"""The wording of errors about arguments and keys."""

import pytest

from mmkeras import arguments

CHOICES = ("cnn", "gru", "transformer")


def refusal(check, *given, **named):
    with pytest.raises(ValueError) as error:
        check(*given, **named)
    return str(error.value)


def test_an_unknown_key_is_named_with_what_was_meant():
    arguments.check_keys("fusion", {"units": 3}, ["units", "method"])
    assert refusal(
        arguments.check_keys, "fusion", {"unit": 3}, ["units", "method"]
    ) == (
        "`fusion.unit` is not a known key. Did you mean `units`? "
        "Choices: method, units"
    )
    assert refusal(arguments.check_keys, "", {"x": 3}, ["method"]) == (
        "`x` is not a known key. Choices: method"
    )
    assert refusal(arguments.check_keys, "fusion", [3], ["units"]) == (
        "`fusion` must be a table. Received: [3]"
    )


def test_a_choice_is_one_of_those_there_are():
    arguments.check_choice("towers.text.variant", "gru", CHOICES)
    assert refusal(
        arguments.check_choice, "towers.text.variant", "transfomer", CHOICES
    ) == (
        "`towers.text.variant` must be one of cnn, gru, transformer. "
        "Received: variant='transfomer'. Did you mean `transformer`?"
    )
    arguments.check_choice("bits", 8, (8, 16))
    assert refusal(arguments.check_choice, "bits", 9, (8, 16)) == (
        "`bits` must be one of 8, 16. Received: bits=9"
    )
    # What has no hash, too.
    assert "Received: method={}" in refusal(
        arguments.check_choice, "method", {}, dict.fromkeys(CHOICES)
    )


@pytest.mark.parametrize("value", [0, -1, 2.0, "3", True, None])
def test_a_count_is_a_positive_integer(value):
    arguments.check_positive(units=3, depth=1)
    assert refusal(arguments.check_positive, units=3, depth=value) == (
        f"`depth` must be a positive integer. Received: depth={value!r}"
    )


@pytest.mark.parametrize("value", [-1, 0.5, False, "1"])
def test_an_integer_has_a_least_value(value):
    arguments.check_integer("seed", 0, 0)
    assert refusal(arguments.check_integer, "seed", value, 0) == (
        f"`seed` must be an integer, at least 0. Received: seed={value!r}"
    )


def test_a_fraction_is_below_one():
    arguments.check_fraction("dropout", 0)
    assert refusal(arguments.check_fraction, "dropout", 1) == (
        "`dropout` must be at least 0 and below 1. Received: dropout=1"
    )


@pytest.mark.parametrize(
    "limits, words, within, outside",
    [
        ({"above": 0}, "above 0", 0.1, 0),
        ({"above": 0, "most": 1}, "above 0 and at most 1", 1, 1.1),
        ({"least": 0, "below": 1}, "at least 0 and below 1", 0, 1),
        ({"least": 0, "most": 1}, "at least 0 and at most 1", 1.0, -0.1),
    ],
)
def test_a_number_has_limits(limits, words, within, outside):
    arguments.check_number("loss.share", within, **limits)
    for value in (outside, float("nan"), True, "0.5", None):
        assert refusal(
            arguments.check_number, "loss.share", value, **limits
        ) == (f"`loss.share` must be {words}. Received: share={value!r}")
