"""The whole road under attack, again and again, counted: `make soak`.

prepare, train, evaluate, export and the runner are killed, ended by a signal,
given too small a disk or too little memory, or run twice at once, at random
moments. Afterwards the same command must end as it does when nobody disturbs
it: the same shards, weights, figures and answers, bit by bit. A file of
somebody else lies in every folder all the while.

    make soak                      15 minutes
    make soak SOAK="--minutes 3 --seed 7"

A round is lost if the result is not there or another one at the end; it is
wrong if a command ends with another exit code than it should, shows a
traceback, or leaves a process or a temporary folder behind.
"""

import argparse
import collections
import contextlib
import csv
import hashlib
import json
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import h5py
from demo_recipe import RECIPE

ROOT = Path(__file__).resolve().parents[2]
DEVICE = ROOT / ".venv-device" / "bin" / "python"
THESIS = "thesis.txt"
# A process has as many times its undisturbed seconds, and never less than this.
LIMIT_TIMES, LIMIT_SEC = 10, 240
SIGNALS = {
    "kill": signal.SIGKILL,
    "term": signal.SIGTERM,
    "interrupt": signal.SIGINT,
}


@dataclass
class Stage:
    """A step of the road.

    Args:
        place: The folder that it fills.
        command: What stands behind `mmkeras`, without that folder.
        read: Returns what the folder holds, as text that must not change.
        named: Whether `--out` names the folder.
        seconds: How long it took undisturbed.
        expected: What `read` returned then.
    """

    place: str
    command: list[str]
    read: Callable[[Path], str]
    named: bool = True
    seconds: float = 60
    expected: str = ""

    @property
    def name(self) -> str:
        return self.command[0]

    @property
    def full(self) -> list[str]:
        return [*self.command, *(["--out", self.place] if self.named else [])]

    def run(self, folder: Path, **how) -> list:
        """Does it, as `run` does."""
        limit_sec = max(LIMIT_SEC, LIMIT_TIMES * self.seconds)
        return run(self.full, folder, limit_sec=limit_sec, **how)


@dataclass
class Tally:
    """Rounds by stage and attack."""

    tries: collections.Counter = field(default_factory=collections.Counter)
    lost: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)


def run(
    command, folder: Path, limits=(), wait=None, end=None, twice=False,
    limit_sec=LIMIT_SEC,
):  # fmt: skip
    """Runs a command of mmkeras, or two at once; see what is returned.

    Args:
        command: What stands behind `mmkeras`.
        folder: Where it runs.
        limits: Of the process, as `setrlimit` takes them.
        wait: After how many seconds it is ended.
        end: The signal that ends it.
        twice: Whether the same is started a second time.
        limit_sec: After how many seconds it should have ended.

    Returns:
        Of each process its exit code, what it printed, and whether a process
        that it has started is left.
    """

    def limited():
        # A shell ignores it for what it runs in the background.
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        for what, size in limits:
            resource.setrlimit(what, (size, size))

    started = [
        start_process(command, folder, limited) for _ in range(1 + twice)
    ]
    if wait is not None:
        with contextlib.suppress(subprocess.TimeoutExpired):
            started[0].wait(wait)
        started[0].send_signal(end)
    found = []
    for process in started:
        try:
            said = process.communicate(timeout=limit_sec)[0]
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            said = f"no end after {limit_sec:.0f} s"
        found.append((process.returncode, said, is_alive(process.pid)))
    return found


def start_process(command, folder, limited) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-m", "mmkeras.cli", *map(str, command)],
        cwd=folder,
        text=True,
        errors="replace",
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        preexec_fn=limited,
        start_new_session=True,
        env={**os.environ, "TMPDIR": str(folder / "tmp")},
    )


def is_alive(group: int) -> bool:
    """Whether a process of the group is still there a moment later."""
    for _ in range(50):
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            return False
        time.sleep(0.1)
    return True


def shards(folder: Path) -> str:
    """Returns the hashes of all shards, and what was counted."""
    manifest = json.loads((folder / "manifest.json").read_text())
    return json.dumps([manifest["splits"], manifest["statistics"]])


def weights(folder: Path) -> str:
    """Returns a hash of the weights, and the history without seconds."""
    digest = hashlib.sha256()

    def add(name, item):
        if isinstance(item, h5py.Dataset):
            digest.update(name.encode() + item[()].tobytes())

    with zipfile.ZipFile(folder / "model.keras") as archive:
        with archive.open("model.weights.h5") as file, h5py.File(file) as root:
            root.visititems(add)
    with open(folder / "history.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    for row in rows:
        row.pop("seconds", None)
    return digest.hexdigest() + json.dumps(rows)


def figures(folder: Path) -> str:
    return (folder / "evaluation" / "evaluation.json").read_text()


def answers(folder: Path) -> str:
    """Returns what the runner answers, between lines that are hostile."""
    raw = folder.parent / "raw"
    good = {
        "image": str(raw / "images/0000.png"),
        "audio": str(raw / "audio/0000.wav"),
    }
    hostile = [
        "{",
        '{"image": 1e999}',
        '{"no": 1}',
        "[" * 5000,
        "\0",
        '{"image": "/dev/zero"}',
    ]
    lines = [each for bad in hostile for each in (bad, json.dumps(good))]
    done = subprocess.run(
        [DEVICE, folder / "run.py", "--stdin"],
        input="\n".join(lines) + "\n",
        capture_output=True,
        text=True,
        timeout=LIMIT_SEC,
    )
    found = [json.loads(line) for line in done.stdout.splitlines()]
    if len(found) != len(lines) or not all("error" in f for f in found[::2]):
        raise ValueError(
            f"{len(found)} of {len(lines)} lines: {done.stderr[-300:]}"
        )
    return json.dumps([each["answer"] for each in found[1::2]])


def stages(folder: Path) -> list[Stage]:
    recipe = folder / "recipe.toml"
    return [
        Stage("data", ["prepare", "raw/demo.toml", "--workers", "2"], shards),
        Stage(
            "run",
            ["train", "data", "--model", recipe, "--verbose", "0"],
            weights,
        ),
        Stage(
            "run", ["evaluate", "run", "--no-baselines"], figures, named=False
        ),
        Stage(
            "bundle",
            # Of several recipes the faster one on this machine would be
            # shipped, and which that is, its load decides.
            ["export", "run", "--quantize", "int8-heavy", "--max-drop", "1"],
            answers,
        ),
    ]


def attack(stage: Stage, draw: random.Random, folder: Path) -> tuple[str, list]:
    """Disturbs a stage; returns how, and what the processes did."""
    kind = draw.choice([*SIGNALS, "kill", "disk", "memory", "twice"])
    if kind == "disk":
        # No file may be larger than this, as on a disk that is full.
        size = int(10 ** draw.uniform(1, 5.5))
        found = stage.run(folder, limits=[(resource.RLIMIT_FSIZE, size)])
    elif kind == "memory":
        size = draw.randrange(300, 2500) * 2**20
        found = stage.run(folder, limits=[(resource.RLIMIT_AS, size)])
    elif kind == "twice":
        found = stage.run(folder, twice=True)
    else:
        moment = draw.uniform(0, 1.1 * stage.seconds)
        found = stage.run(folder, wait=moment, end=SIGNALS[kind])
    return kind, found


# What a command may end with; a signal may come after its end.
CODES = {
    "kill": {-9, 0}, "term": {143, -15, 0}, "interrupt": {130, -2, 0},
    "disk": {0, 2}, "memory": {0, 1, 2, -6, -9, -11}, "twice": {0, 2},
}  # fmt: skip


def judge(kind: str, found: list) -> str | None:
    """Returns what is wrong with how processes ended, or None."""
    for code, said, left in found:
        if code not in CODES[kind]:
            return f"exit code {code}: {said[-300:]}"
        # Libraries that find no memory end as they like.
        if "Traceback" in said and kind != "memory":
            return f"a traceback: {said[-600:]}"
        if left:
            return "a process that outlives the command"
    if kind == "twice" and all(code for code, *_ in found):
        return f"neither of two was done: {found[0][1][-200:]}"
    return None


def one_round(stage, draw, folder: Path, tally: Tally) -> None:
    place = folder / stage.place
    if stage.named and draw.random() < 0.7:
        shutil.rmtree(place, ignore_errors=True)
    kind, found = attack(stage, draw, folder)
    label = f"{stage.name} / {kind}"
    tally.tries[label] += 1
    if wrong := judge(kind, found):
        tally.wrong.append(f"{label}: {wrong}")
    # Else the folder is that of somebody else as a whole.
    if (place / ".mmkeras.json").is_file():
        (place / THESIS).write_text("years of work")
    ((code, said, left),) = stage.run(folder)
    if code or left or "Traceback" in said:
        tally.wrong.append(f"{label}, then again: {code} {said[-600:]}")
    try:
        same = stage.read(place) == stage.expected
    except (OSError, ValueError, KeyError) as error:
        same = False
        tally.lost.append(f"{label}: {error}")
    else:
        if not same:
            tally.lost.append(f"{label}: another result")
    if (place / THESIS).exists():
        if (place / THESIS).read_text() != "years of work":
            tally.lost.append(f"{label}: a file of somebody else")
    stray = [p.name for p in (folder / "tmp").iterdir() if p.is_dir()]
    stray += [str(p) for p in place.rglob(".tmp-*")]
    if stray:
        tally.wrong.append(f"{label}: left {stray[:3]}")
    if not same:
        restore(stage, folder)


def restore(stage: Stage, folder: Path) -> None:
    """Makes a stage anew, so that one loss is counted once."""
    shutil.rmtree(folder / stage.place, ignore_errors=True)
    for each in stages(folder):
        each.run(folder)


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    options.add_argument("--minutes", type=float, default=15)
    options.add_argument("--seed", type=int, default=0)
    options = options.parse_args()
    end, tally = time.monotonic() + 60 * options.minutes, Tally()
    draw = random.Random(options.seed)
    with tempfile.TemporaryDirectory(prefix="soak-") as name:
        folder = Path(name)
        (folder / "tmp").mkdir()
        (folder / "recipe.toml").write_text(RECIPE.format(epochs=4))
        run(["demo", "--out", "raw", "--samples", "120"], folder)
        road = stages(folder)
        for stage in road:
            start = time.monotonic()
            ((code, said, _),) = stage.run(folder)
            stage.seconds = time.monotonic() - start
            if code:
                raise SystemExit(f"{stage.name} fails undisturbed: {said}")
            stage.expected = stage.read(folder / stage.place)
            print(
                f"{stage.name}: {stage.seconds:.1f} s undisturbed", flush=True
            )
        while time.monotonic() < end:
            one_round(draw.choice(road), draw, folder, tally)
    for label, count in sorted(tally.tries.items()):
        print(f"{label:24} {count:4} rounds")
    for what in ("lost", "wrong"):
        for sentence in getattr(tally, what):
            print(f"{what}: {sentence}")
    total = sum(tally.tries.values())
    print(f"{total} rounds, {len(tally.lost)} lost, {len(tally.wrong)} wrong")
    return int(bool(tally.lost or tally.wrong))


if __name__ == "__main__":
    sys.exit(main())
