"""Fault 10: prepare killed at any moment, and run again."""

import json
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from data.data_toys import make_spec, write_set

SCRIPT = """
import importlib, json, os, signal, sys, traceback
from pathlib import Path
from mmkeras import artefact
from mmkeras.data.ingest import folder, plan, preparation, shards
from mmkeras.spec import DataSpec


def main(root, out, moment, number):
    spec = DataSpec.from_dict(json.loads(Path(root, "spec.json").read_text()))
    plan.samples_per_shard = lambda spec: 4
    calls = {"write": 0, "move": 0, "manifest": 0}

    def dying(name, function, before):
        def run(*arguments, **keywords):
            calls[name] += 1
            if calls[name] == number and moment == name:
                before(*arguments)
                os.kill(os.getpid(), signal.SIGKILL)
            return function(*arguments, **keywords)
        return run

    def half_a_file(path, payloads, *_):
        Path(path).write_bytes(b"".join(payloads)[:1000])

    shards.write_records = dying("write", shards.write_records, half_a_file)
    folder.write_manifest = dying(
        "manifest", folder.write_manifest, lambda *_: 0
    )
    staging = artefact.staging
    staging._move = dying("move", staging._move, lambda *_: 0)
    preparation.prepare(spec, out, root=root, workers=1)
    sys.stdout.write(json.dumps(calls))


def forked(said, arguments):
    code = 1
    try:
        for number, path in enumerate(said, 1):
            os.dup2(os.open(path, os.O_CREAT | os.O_WRONLY), number)
        main(*arguments)
        code = 0
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


for name in sys.argv[1:]:
    importlib.import_module(name)
for line in sys.stdin:
    child = os.fork()
    if child == 0:
        forked(**json.loads(line))
    status = os.waitpid(child, 0)[1]
    print(os.waitstatus_to_exitcode(status), flush=True)
"""
# What preparing the set imports on its way, here before the first fork.
READ = [
    f"mmkeras.kinds.{kind}.read"
    for kind in (
        "audio", "categories", "category", "image", "number", "text", "vector"
    )
]  # fmt: skip


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    folder = tmp_path_factory.mktemp("killed") / "root"
    write_set(folder)
    (folder / "spec.json").write_text(json.dumps(make_spec().to_dict()))
    return folder


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Prepares in a process of its own, and waits for its end.

    Each is a fork of one that has run nothing: imports cost ten times what
    preparing the set does.
    """
    said = [tmp_path_factory.mktemp("said") / name for name in "12"]
    with subprocess.Popen(
        [sys.executable, "-c", SCRIPT, *READ],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    ) as parent:  # fmt: skip

        def run(root, out, moment="never", number=0):
            for path in said:
                path.unlink(missing_ok=True)
            arguments = [str(root), str(out), moment, number]
            request = {"said": [*map(str, said)], "arguments": arguments}
            parent.stdin.write(json.dumps(request) + "\n")
            parent.stdin.flush()
            code = int(parent.stdout.readline())
            texts = (path.read_text() for path in said)
            return subprocess.CompletedProcess(arguments, code, *texts)

        yield run
        parent.stdin.close()
        assert parent.wait() == 0


def content(out: Path) -> dict[str, bytes]:
    """The files of a finished folder, but for the command line and its hash."""
    files = {p.name: p.read_bytes() for p in sorted(out.iterdir())}
    manifest = json.loads(files["manifest.json"])
    del manifest["command"], manifest["sha256"]
    files["manifest.json"] = json.dumps(manifest).encode()
    return files


@pytest.fixture(scope="module")
def uninterrupted(root, run):
    done = run(root, root.parent / "whole")
    assert done.returncode == 0, done.stderr
    return content(root.parent / "whole"), json.loads(done.stdout)


@pytest.mark.parametrize(
    "moment, number, finished",
    [
        ("write", 1, 0),
        ("write", 2, 1),
        ("write", 5, 4),
        ("move", 1, 9),
        ("move", 4, 9),
        ("manifest", 1, 9),
    ],
)
def test_it_goes_on_where_it_was_killed(
    root, run, uninterrupted, tmp_path, moment, number, finished
):
    out = tmp_path / "out"
    killed = run(root, out, moment, number)
    assert killed.returncode == -signal.SIGKILL
    assert not (out / "manifest.json").exists()
    for path in out.glob("*.tfrecord"):
        # What has its final name is whole, even without a manifest.
        assert path.read_bytes() == uninterrupted[0][path.name]

    again = run(root, out)
    assert again.returncode == 0, again.stderr
    assert content(out) == uninterrupted[0]
    shards = uninterrupted[1]["write"]
    assert json.loads(again.stdout)["write"] == shards - finished


def torn(path):
    path.write_bytes(path.read_bytes()[:-40])


def count_of_less_than_none(path):
    note = json.loads(path.read_text())
    note["shard"]["count"] = -1
    path.write_text(json.dumps(note))


def doubled_sum(path):
    note = json.loads(path.read_text())
    sums = note["shard"]["sums"]["vector"]
    sums.update({k: [2 * v for v in vs] for k, vs in sums.items()
                 if isinstance(vs, list)})  # fmt: skip
    path.write_text(json.dumps(note))


def folder_of_theirs(path):
    path.unlink()
    path.mkdir()
    (path / "theirs").write_text("kept")


@pytest.mark.parametrize(
    "name, damage, made",
    [
        ("train-00001.tfrecord.json", torn, 1),
        ("train-00001.tfrecord.json", lambda path: path.write_bytes(b""), 1),
        ("train-00001.tfrecord.json", count_of_less_than_none, 1),
        ("train-00001.tfrecord.json", doubled_sum, 1),
        ("identity.json", torn, 0),
        ("identity.json", lambda path: path.write_bytes(b""), 0),
    ],
)
def test_what_is_damaged_in_between_is_made_anew_and_named(
    root, run, uninterrupted, tmp_path, name, damage, made
):
    out = tmp_path / "out"
    assert run(root, out, "manifest", 1).returncode == -signal.SIGKILL
    damage(out / ".partial" / name)
    again = run(root, out)
    assert again.returncode == 0, again.stderr
    assert f"{out.resolve()}/.partial/{name}" in again.stderr
    assert content(out) == uninterrupted[0]
    assert json.loads(again.stdout)["write"] == made


@pytest.mark.parametrize(
    "name", ["train-00001.tfrecord.json", "train-00001.tfrecord"]
)
def test_a_folder_in_the_way_is_named_and_stays(
    root, run, uninterrupted, tmp_path, name
):
    out = tmp_path / "out"
    assert run(root, out, "manifest", 1).returncode == -signal.SIGKILL
    folder_of_theirs(out / ".partial" / name)
    again = run(root, out)
    assert again.returncode == 1
    assert f"{out}/.partial/{name}` must be a file" in again.stderr
    assert [*out.glob(".partial/*/theirs")]
    shutil.move(out / ".partial" / name, tmp_path / "theirs")
    again = run(root, out)
    assert json.loads(again.stdout)["write"] == 1
    assert content(out) == uninterrupted[0]


def test_a_file_changed_in_between_is_read_again(root, run, tmp_path):
    source = shutil.copytree(root, tmp_path / "root")
    assert run(source, tmp_path / "out", "manifest", 1).returncode == -9
    shutil.copy(source / "1.png", source / "0.png")
    again = run(source, tmp_path / "out")
    assert json.loads(again.stdout)["write"] == 1


def test_no_worker_outlives_a_killed_prepare(root, tmp_path):
    write_set(tmp_path / "root", 400)
    code = (
        "import sys, json\n"
        "from mmkeras.data import prepare\n"
        "from mmkeras.spec import DataSpec\n"
        "from unittest import mock\n"
        "name = 'mmkeras.data.ingest.plan.samples_per_shard'\n"
        "mock.patch(name, lambda spec: 4).start()\n"
        "spec = DataSpec.from_dict(json.load(open(sys.argv[2])))\n"
        "prepare(spec, sys.argv[3], root=sys.argv[1], workers=2)"
    )
    out = tmp_path / "out"
    spec = root / "spec.json"
    process = subprocess.Popen(
        [sys.executable, "-c", code, tmp_path / "root", spec, out]
    )
    while not list(out.glob(".partial/*.tfrecord.json")):
        assert process.poll() is None
        time.sleep(0.01)
    children = subprocess.run(
        ["ps", "-o", "pid=", "--ppid", str(process.pid)],
        capture_output=True,
        text=True,
    ).stdout.split()
    process.kill()
    process.wait()
    assert not (out / "manifest.json").exists()
    assert children
    deadline = time.monotonic() + 10
    while any(Path("/proc", child).exists() for child in children):
        assert time.monotonic() < deadline, "a worker goes on"
        time.sleep(0.05)
