"""The command line of a bundle: an option for each of its modalities."""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Callable

from run import HERE, printable
from runner import KERNELS, Runner
from validation import refuse

LIVE = {
    "microphone": "hear the last seconds, again and again",
    "camera": "see what is there at each answer",
    "window": "slide over a long recording",
    "listen": "read a long recording step by step, and answer for all so far",
    "stdin": "read a JSON object by modality from each line",
}
# As the spec has them; what is shown of an example.
NAME = re.compile(r"[a-z][a-z0-9_]{0,39}")
EXAMPLE = re.compile(r"[\w.,/ -]{1,40}")
MAX_THREADS = 256


class Parser(argparse.ArgumentParser):
    """A parser that shows no character of a manifest that steers a terminal."""

    def _print_message(self, message, file=None):
        lines = map(printable, (message or "").split("\n"))
        super()._print_message("\n".join(lines), file)


def answer(arguments: list[str]) -> None:
    """Prints what the model answers to what the options give."""
    early = early_options()
    known, rest = early.parse_known_args(arguments)
    runner = Runner(known.bundle, known.threads, known.kernels, known.trust)
    given = read_options(early, runner, rest)
    runner.sampling = sampling_of(runner, given)
    if given["samples"]:
        for row in runner.samples(given["samples"]):
            print(line_of(runner.answer(row)))
    elif any(given[name] for name in LIVE):
        from live import answers

        for line in answers(runner, given):
            print(line_of(line), flush=True)
    else:
        told = print_letter if given.get("stream") else None
        paths = {name: given[name] for name in runner.inputs
                 if given[name] is not None}  # fmt: skip
        row = {name: runner.read(name, paths[name]) for name in paths}
        found = runner.answer(row, told, placed=runner.placed(paths))
        print(line_of(found, indent=2))


def sampling_of(runner: Runner, given: dict) -> dict:
    """Returns how texts are written, as the options say."""
    found = {n: given[n] for n in runner.options() if given[n] is not None}
    if given.get("stop"):
        found["stop"] = tuple(given["stop"])
    return found


def print_letter(name: str, letter: str) -> None:
    """Prints a character of a text as soon as it is known."""
    print(line_of({"target": name, "character": letter}), flush=True)


def line_of(answer: dict, indent: int | None = None) -> str:
    """Returns an answer as JSON, in ASCII and without control characters."""
    text = json.dumps(answer, indent=indent, allow_nan=False)
    return text.replace("\x7f", "\\u007f")


def whole(least: int, most: float) -> Callable[[str], int]:
    """Returns what reads a whole number within limits from an option."""

    def read(text: str) -> int:
        if not text.isdecimal() or not least <= int(text[:12]) <= most:
            limits = f"from {least}" + f" to {most}" * (most < 1e9)
            raise argparse.ArgumentTypeError(f"must be whole, {limits}")
        return int(text[:12])

    return read


def early_options() -> argparse.ArgumentParser:
    """Returns the options that say which bundle has the others."""
    parser = Parser(add_help=False, allow_abbrev=False)
    parser.add_argument("--bundle", default=str(HERE))
    parser.add_argument("--threads", type=whole(1, MAX_THREADS), default=1)
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
    parser = Parser(parents=[early], allow_abbrev=False)
    parser.add_argument("--samples", help="an .npz file, for many samples")
    add_inputs(parser, runner.inputs)
    add_live(parser)
    add_writing(parser, runner.options())
    options = [f"--{name}" for name in runner.inputs]
    for at in reversed(range(len(rest) - 1)):
        # argparse takes a value such as -1,2 for an option.
        if rest[at] in options and not rest[at + 1].startswith("--"):
            rest[at : at + 2] = [f"{rest[at]}={rest[at + 1]}"]
    return vars(parser.parse_args(rest))


def add_inputs(parser: argparse.ArgumentParser, inputs: dict) -> None:
    """Adds an option for each modality that the manifest names."""
    for name, entry in inputs.items():
        example = entry.get("example")
        shown = isinstance(example, str) and EXAMPLE.fullmatch(example)
        optional = "; optional" if entry["optional"] else ""
        try:
            if not NAME.fullmatch(name):
                raise argparse.ArgumentError(None, "no name of a modality")
            parser.add_argument(
                f"--{name}",
                metavar=example if shown else None,
                help=entry["kind"].replace("%", "%%") + optional,
            )
        except argparse.ArgumentError:
            what = "lower-case letters, digits and `_`, and no other option"
            refuse("The name of an input", what, repr(name[:80]))


def add_live(parser: argparse.ArgumentParser) -> None:
    """Adds the options that make `live.py` answer."""
    group = parser.add_argument_group("answers without end, a line for each")
    for name, text in LIVE.items():
        group.add_argument(f"--{name}", action="store_true", help=text)
    text = "between two answers; half the sound's length, or 0.5, unless given"
    group.add_argument("--hop-sec", type=float, help=text)
    group.add_argument(
        "--count", type=whole(1, 1e9), help="stop after so many lines"
    )


def add_writing(parser: argparse.ArgumentParser, options: dict) -> None:
    """Adds the options of a bundle that writes texts."""
    if not options:
        return
    group = parser.add_argument_group("how a text is written")
    for name, kind in options.items():
        group.add_argument(f"--{name.replace('_', '-')}", type=kind)
    group.add_argument(
        "--stop", action="append", help="a text before which it ends"
    )
    group.add_argument(
        "--stream", action="store_true", help="a line for each character"
    )
