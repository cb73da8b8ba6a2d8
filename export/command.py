"""The command line of a bundle: an option for each of its modalities."""

from __future__ import annotations

import argparse
import json

from run import HERE
from runner import KERNELS, Runner

LIVE = {
    "microphone": "hear the last seconds, again and again",
    "camera": "see what is there at each answer",
    "window": "slide over a long recording",
    "stdin": "read a JSON object by modality from each line",
}


def answer(arguments: list[str]) -> None:
    """Prints what the model answers to what the options give."""
    early = early_options()
    known, rest = early.parse_known_args(arguments)
    runner = Runner(known.bundle, known.threads, known.kernels, known.trust)
    given = read_options(early, runner, rest)
    if given["samples"]:
        for row in runner.samples(given["samples"]):
            print(json.dumps(runner.answer(row), allow_nan=False))
    elif any(given[name] for name in LIVE):
        from live import answers

        for line in answers(runner, given):
            print(json.dumps(line, allow_nan=False), flush=True)
    else:
        row = {name: runner.read(name, given[name]) for name in runner.inputs
               if given[name] is not None}  # fmt: skip
        print(json.dumps(runner.answer(row), indent=2, allow_nan=False))


def early_options() -> argparse.ArgumentParser:
    """Returns the options that say which bundle has the others."""
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("--bundle", default=str(HERE))
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--kernels", choices=KERNELS, default=KERNELS[0])
    parser.add_argument(
        "--trust",
        action="store_true",
        help="run the readers of a bundle in another folder; they are code",
    )
    return parser


def read_options(
    early: argparse.ArgumentParser, runner: Runner, rest: list[str]
) -> dict:
    """Returns the options by name, those of the modalities as well."""
    parser = argparse.ArgumentParser(parents=[early], allow_abbrev=False)
    parser.add_argument("--samples", help="an .npz file, for many samples")
    for name, entry in runner.inputs.items():
        optional = "; optional" if entry["optional"] else ""
        parser.add_argument(
            f"--{name}",
            metavar=entry.get("example"),
            help=entry["kind"] + optional,
        )
    add_live(parser)
    options = [f"--{name}" for name in runner.inputs]
    for at in reversed(range(len(rest) - 1)):
        # argparse takes a value such as -1,2 for an option.
        if rest[at] in options and not rest[at + 1].startswith("--"):
            rest[at : at + 2] = [f"{rest[at]}={rest[at + 1]}"]
    return vars(parser.parse_args(rest))


def add_live(parser: argparse.ArgumentParser) -> None:
    """Adds the options that make `live.py` answer."""
    group = parser.add_argument_group("answers without end, a line for each")
    for name, text in LIVE.items():
        group.add_argument(f"--{name}", action="store_true", help=text)
    text = "between two answers; half the sound's length, or 0.5, unless given"
    group.add_argument("--hop-sec", type=float, help=text)
    group.add_argument("--count", type=int, help="stop after so many lines")
