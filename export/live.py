"""Answers without end: a microphone, a camera, a long recording, lines.

    python run.py --microphone --camera
    python run.py --audio long.wav --window --hop-sec 0.5
    python run.py --ecg long.npy --window --hop-sec 0.25
    python run.py --audio long.wav --listen
    python run.py --stdin < requests.jsonl

`command.py` imports this file when it is asked for one of these. Each answer
is a
line of JSON: `time_sec` (where the sound ends, or since the start),
`latency_ms` (of the model), `answer`, and `absent`, the modalities that were
not there. Modalities given as options hold for every line.

A line of standard input is an object by modality: a path, a text or an array;
null is absent. One that is refused is answered with `error`, whatever is wrong
with it, and the next one is read.
"""

from __future__ import annotations

import contextlib
import math
import sys
import time
from collections.abc import Callable, Iterator

import numpy as np

HOP_SEC = 0.5


def answers(runner, given: dict) -> Iterator[dict]:
    """Yields the lines that the options ask for.

    Args:
        runner: A `Runner`.
        given: The options of `run.py` by name, those of modalities as well.
    """
    given, recordings = dict(given), {}
    if given.get("listen"):
        yield from streamed(runner, given)
        return
    if given["window"]:
        recordings = taken(runner, given)
        given |= dict.fromkeys(recordings)
    fixed = {name: runner.read(name, given[name]) for name in runner.inputs
             if given[name] is not None}  # fmt: skip
    placed = runner.placed({name: given[name] for name in fixed})
    with contextlib.ExitStack() as stack:
        camera = open_camera(runner, given, fixed, stack)
        source = open_source(runner, given, fixed, recordings, stack)
        for count, (line, row) in enumerate(source, 1):
            try:
                read = row() if callable(row) else row
                row = {**fixed, **read, **camera()}
                here = {name: placed[name] for name in {*placed} - {*read}}
                here |= getattr(read, "placed", {})
                line |= answered(runner, row, here)
            # A stranger's line may be wrong in a way that nobody thought of.
            except Exception as error:
                if not given["stdin"]:
                    raise
                line["error"] = spelled(error)
            yield line
            if count == given["count"]:
                return


def spelled(error: Exception) -> str:
    """Returns what is wrong; of an error that is none of ours, its kind."""
    if isinstance(error, (ValueError, OSError)):
        return str(error)
    return f"{type(error).__name__}: {error}"


def answered(runner, row: dict, placed: dict | None = None) -> dict:
    """Returns what is known of one sample once the model has run."""
    row = {name: value for name, value in row.items() if value is not None}
    start = time.perf_counter()
    answer = runner.answer(row, placed=placed)
    spent_ms = round((time.perf_counter() - start) * 1000, 3)
    absent = [name for name in runner.inputs if name not in row]
    return {"latency_ms": spent_ms, "answer": answer, "absent": absent}


def open_source(runner, given, fixed, recordings, stack) -> Iterator:
    """Opens what was asked for: it yields a line's beginning and a row."""
    kinds = ("stdin", "window", "microphone")
    asked = [kind for kind in kinds if given[kind]]
    if len(asked) > 1:
        both = " and ".join(f"--{kind}" for kind in asked)
        raise ValueError(
            f"The lines must come from one place. Received: {both}"
        )
    hop_sec = given["hop_sec"]
    if hop_sec is not None and not 0.01 <= hop_sec <= 3600:
        raise ValueError(
            f"`--hop-sec` must be 0.01 to 3600 seconds. Received: {hop_sec}"
        )
    if given["stdin"]:
        from lines import requests

        return requests(runner, sys.stdin.buffer)
    if not asked:
        return ticks(hop_sec or HOP_SEC)
    if given["window"]:
        return windows(runner, recordings, hop_sec)
    name = only(runner, asked[0], fixed)
    entry = runner.inputs[name]
    hop_sec = hop_sec or entry["shape"][0] / entry["sample_rate_hz"] / 2
    from devices import microphone

    stream = stack.enter_context(microphone(entry))
    heard = listen(stream, name, entry, hop_sec)
    level = runner.readers[name].level
    return ((line, {name: level(row[name], entry)}) for line, row in heard)


def open_camera(runner, given, fixed, stack) -> Callable[[], dict]:
    """Returns what takes a picture, or nothing if no camera was asked for."""
    if not given["camera"]:
        return dict
    name = only(runner, "camera", fixed)
    from devices import Camera

    camera = Camera(runner.inputs[name]["shape"])
    stack.enter_context(contextlib.closing(camera))
    return lambda: {name: camera.picture()}


def only(runner, option: str, fixed=()) -> str:
    """Returns the one modality of an option, which nothing else may give."""
    names = runner.takes(option)
    if len(names) != 1:
        raise ValueError(
            f"`--{option}` needs a bundle with one input that it is for. "
            f"Received: {names}"
        )
    if names[0] in fixed:
        raise ValueError(
            f"`{names[0]}` must come from one place. Received: --{option} "
            f"and --{names[0]}"
        )
    return names[0]


def taken(runner, given: dict) -> dict[str, str]:
    """Returns the recordings that windows slide over, by modality."""
    names = runner.takes("window") or [only(runner, "window")]
    found = {name: given[name] for name in names if given[name] is not None}
    if not found:
        options = " or ".join(f"--{name} FILE" for name in names)
        raise ValueError(
            f"`--window` must have a recording to slide over, {options}. "
            "Received: none"
        )
    return found


def ticks(hop_sec: float) -> Iterator[tuple[dict, dict]]:
    """Yields now and every `hop_sec` seconds; what is missed is missed."""
    start = time.monotonic()
    while True:
        yield {"time_sec": round(time.monotonic() - start, 3)}, {}
        time.sleep(hop_sec - (time.monotonic() - start) % hop_sec)


def streamed(runner, given: dict) -> Iterator[dict]:
    """Yields the answer so far, while a recording is read step by step."""
    others = [key for key in ("stdin", "window", "microphone", "camera")
              if given[key]]  # fmt: skip
    if others:
        raise ValueError(
            "The lines must come from one place. Received: --listen and "
            f"--{others[0]}"
        )
    streams = runner.manifest.get("streams", {})
    names = [name for name in runner.takes("window") if name in streams]
    if len(names) != 1 or given[names[0]] is None:
        raise ValueError(
            "`--listen` must have a recording, --NAME FILE, of an input "
            f"that the manifest lists under `streams`. Received: {names}"
        )
    name, path = names[0], given[names[0]]
    rows = {key: runner.read(key, given[key]) for key in runner.inputs
            if given[key] is not None and key != name}  # fmt: skip
    listen = runner.stream_answer(name, rows)
    absent = [key for key in runner.inputs if key not in {name, *rows}]
    rate = runner.inputs[name]["sample_rate_hz"]
    hop = round((given["hop_sec"] or HOP_SEC) * rate)
    told, spent_ms = 0, 0.0
    for end, last, part in parts_of(runner, name, path):
        start = time.perf_counter()
        answer = listen(part)
        spent_ms += (time.perf_counter() - start) * 1000
        if not last and end < (told + 1) * hop:
            continue
        told += 1
        yield {
            "time_sec": round(end / rate, 3),
            "latency_ms": round(spent_ms, 3),
            "answer": answer,
            "absent": absent,
        }
        spent_ms = 0.0
        if told == given["count"]:
            return


def parts_of(runner, name: str, path: str) -> Iterator[tuple]:
    """Yields a recording in steps: its end, whether it is the last, samples.

    Silence follows the end of the recording.
    """
    entry, reader = runner.inputs[name], runner.readers[name]
    step = runner.manifest["streams"][name]["step"]
    frames = reader.frames(path, entry)
    block = entry["shape"][0] // step * step
    for start in range(0, frames, block):
        sound = reader.window(path, entry, start)
        for at in range(0, min(block, frames - start), step):
            end = min(start + at + step, frames)
            yield end, end == frames, sound[at : at + step]


def windows(runner, recordings: dict, hop_sec: float | None) -> Iterator:
    """Yields windows of recordings that begin together.

    Silence, or a gap, follows the end of the last window; they end where the
    first recording does.

    Args:
        runner: A `Runner`.
        recordings: Paths by modality.
        hop_sec: Seconds between two windows; half the shortest by default.
    """
    entries = {name: runner.inputs[name] for name in recordings}
    readers = {name: runner.readers[name] for name in recordings}
    rates = {name: e["sample_rate_hz"] for name, e in entries.items()}
    counts = {name: readers[name].frames(path, entries[name])
              for name, path in recordings.items()}  # fmt: skip
    wide = {name: entry["shape"][0] for name, entry in entries.items()}
    hop_sec = hop_sec or min(wide[n] / rates[n] for n in wide) / 2
    hop_sec = max(hop_sec, *(1 / rate for rate in rates.values()))
    long_sec = {name: counts[name] / rates[name] for name in counts}
    if max(long_sec.values()) - min(long_sec.values()) > hop_sec:
        raise ValueError(
            "The recordings of `--window` must end together, within "
            f"`--hop-sec`. Received: {long_sec} seconds"
        )
    for number in range(math.ceil(max(long_sec.values()) / hop_sec)):
        row, ends = {}, {}
        for name, path in recordings.items():
            start = round(number * hop_sec * rates[name])
            ends[name] = min(start + wide[name], counts[name])
            if start >= counts[name]:
                return
            row[name] = readers[name].window(path, entries[name], start)
            if level := getattr(readers[name], "level", None):
                known = ends[name] - start
                row[name] = level(row[name], entries[name], known)
        end_sec = max(ends[name] / rates[name] for name in ends)
        yield {"time_sec": round(end_sec, 3)}, row
        if any(ends[name] == counts[name] for name in ends):
            return


def listen(stream, name: str, entry: dict, hop_sec: float) -> Iterator[tuple]:
    """Yields the newest sound of a stream, once there is enough of it."""
    wanted, rate = entry["shape"][0], entry["sample_rate_hz"]
    hop = max(1, round(hop_sec * rate))
    sound, heard = np.zeros(0, np.int16), 0
    while True:
        # A model slower than the hop skips sound; it does not fall behind.
        frames = max(hop if heard else wanted, stream.read_available)
        new, lost = stream.read(frames)
        heard += len(new)
        sound = np.concatenate([sound, new[:, 0]])[-wanted:]
        line = {"time_sec": round(heard / rate, 3)}
        if lost:
            line["lost_sound"] = True
        yield line, {name: sound.astype(np.float32) / 32768}
