"""Fault 35: a process that is stopped from outside, and never goes on."""

import os
import signal
import subprocess
import threading
import time

import pytest
from data.data_toys import make_spec, write_set

from mmkeras import processes
from mmkeras.data import prepare


@pytest.fixture
def impatient(monkeypatch):
    monkeypatch.setattr(processes, "STOPPED_SEC", 0.6)


class Stopping:
    """Stops the first children, as soon as they are started."""

    def __init__(self, monkeypatch, count):
        self.started, self.start = [], processes.start
        self.left = count
        monkeypatch.setattr(processes, "start", self)

    def __call__(self, *arguments, **options):
        child = self.start(*arguments, **options)
        self.started.append(child)
        if self.left:
            self.left -= 1
            child.send_signal(signal.SIGSTOP)
        return child


def test_its_shard_is_given_to_another(
    impatient, monkeypatch, tmp_path, capsys
):
    write_set(tmp_path / "root", 40)
    monkeypatch.setattr(
        "mmkeras.data.ingest.plan.samples_per_shard", lambda spec: 4
    )
    spec = make_spec(tmp_path / "root")
    prepare(spec, tmp_path / "whole", workers=1)
    stopping = Stopping(monkeypatch, 1)
    found = prepare(spec, tmp_path / "out", workers=2)
    assert len(stopping.started) == 3
    said = " ".join(capsys.readouterr().err.split())
    assert "is made anew: its worker was stopped from outside" in said
    for shard in found["splits"]["train"]["shards"]:
        whole = tmp_path / "whole" / shard["file"]
        assert (
            whole.read_bytes() == (tmp_path / "out" / whole.name).read_bytes()
        )


def test_two_in_a_row_end_it_in_one_message(impatient, monkeypatch, tmp_path):
    write_set(tmp_path / "root", 12)
    monkeypatch.setattr(
        "mmkeras.data.ingest.plan.samples_per_shard", lambda spec: 4
    )
    stopping = Stopping(monkeypatch, 9)
    with pytest.raises(ValueError, match="second process.*stopped from out"):
        prepare(make_spec(tmp_path / "root"), tmp_path / "out", workers=2)
    assert all(child.poll() is not None for child in stopping.started)


@pytest.fixture
def sleeper():
    with subprocess.Popen(["sleep", "60"]) as child:
        yield child
        child.kill()


def test_a_child_that_takes_too_long_is_named(sleeper):
    with processes.limited(sleeper, 0.3) as late:
        sleeper.wait()
    assert late.is_set() and late.why == "gave no answer in 0.3 seconds"


def test_a_child_that_goes_on_in_time_is_left_alone(impatient, sleeper):
    def back():
        time.sleep(0.3)
        os.kill(sleeper.pid, signal.SIGCONT)

    sleeper.send_signal(signal.SIGSTOP)
    waking = threading.Thread(target=back)
    with processes.limited(sleeper, 60) as late:
        waking.start()
        time.sleep(1.2)
    waking.join()
    assert not late.is_set() and sleeper.poll() is None
