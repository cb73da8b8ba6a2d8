"""Fault 3: what a resumed training reads is damaged, forged or not there."""

import functools
import json
import shutil
import tempfile
import warnings
from pathlib import Path

from faults.fuzz import fault
from faults.fuzz_data import damage
from faults.fuzz_manifests import OTHERS, changed, places
from faults.test_fault_03 import fit

from mmkeras.artefact import hashed
from mmkeras.training.stages import find_checkpoint

FILES = ("manifest.json", "model.keras", "state.npz")
HOW = ("flip", "cut", "empty", "more", "zeros", "gone", "folder")


@functools.cache
def toy() -> tuple[Path, dict, list]:
    """A run killed after its third epoch, and what all four end in."""
    place = Path(tempfile.mkdtemp(prefix="toy-run-"))
    weights = fit(place / "whole").get_weights()
    shutil.copytree(place / "whole", place / "run")
    path = place / "run" / "checkpoints" / "epoch-0004" / "manifest.json"
    return place / "run", json.loads(path.read_text()), weights


def newest(run: Path) -> Path:
    return run / "checkpoints" / "epoch-0004"


def before(run: Path) -> Path:
    return run / "checkpoints" / "epoch-0003"


def bytes_in(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes()
            for p in folder.rglob("*") if p.is_file()}  # fmt: skip


def one_file(draw):
    return (
        draw.choice(FILES),
        draw.choice(HOW),
        draw.random(),
        draw.randrange(8),
    )


def one_of_ours(draw):
    """No folder of somebody else in its place, which would stay."""
    return next(
        case for case in iter(lambda: one_file(draw), None)
        if case[1] != "folder"
    )  # fmt: skip


def two_files(draw):
    return one_file(draw), one_file(draw)


def edited(draw):
    return draw.random(), draw.choice(OTHERS), draw.random() < 0.3


def found_in(run: Path) -> tuple[dict | None, list[str]]:
    """What a training would resume from, and the warnings."""
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        found = find_checkpoint(run, toy()[1]["fingerprint"])
    return found, [str(one.message) for one in told]


def edit(path: Path, case, seal: bool) -> bool:
    """Edits a manifest; returns whether it says something else then."""
    which, other, delete = case
    value = json.loads(path.read_text())
    old = json.dumps(value)
    inside = places(value)
    value = changed(value, inside[int(which * len(inside))], other, delete)
    kept = isinstance(value.get("format"), int) and "sha256" in value
    path.write_text(json.dumps(hashed(value) if seal and kept else value))
    return json.dumps(value) != old


def the_generation_before_is_found(case, folder):
    run = Path(shutil.copytree(toy()[0], folder / "run"))
    if isinstance(case[0], str):
        damage(newest(run) / case[0], *case[1:])
    elif not edit(newest(run) / "manifest.json", case, seal=False):
        return
    found, told = found_in(run)
    assert found["stage_epochs"] == 3
    # Without a manifest it is a save that was killed, and no damage.
    assert len(told) == (case[:2] != ("manifest.json", "gone")), told
    assert all(str(newest(run)) in one and str(before(run)) in one
               for one in told)  # fmt: skip


def nothing_is_lost_where_none_is_whole(case, folder):
    run = Path(shutil.copytree(toy()[0], folder / "run"))
    for place, one in zip((newest(run), before(run)), case, strict=True):
        damage(place / one[0], *one[1:])
    there = bytes_in(run)
    killed = [one[:2] == ("manifest.json", "gone") for one in case]
    try:
        found, told = found_in(run)
    except ValueError as error:
        for place, gone in zip((newest(run), before(run)), killed, strict=True):
            assert gone or str(place) in str(error), error
        assert "--restart" in str(error)
    else:
        assert all(killed) and found is None and not told
    assert bytes_in(run) == there


def a_forged_one_is_sound_or_passed_over(case, folder):
    run = Path(shutil.copytree(toy()[0], folder / "run"))
    edit(newest(run) / "manifest.json", case, seal=True)
    try:
        found, told = found_in(run)
    except ValueError as error:
        # What must be the same is another, or it holds no progress.
        assert "must be resumed with the settings" in str(error) or (
            "a checkpoint of the model alone" in str(error)
        ), error
    else:
        assert found["stage_epochs"] == 3 or not told
        assert {"rows", "callbacks", "arrays"} <= set(found)


def training_ends_in_the_same_bits(case, folder):
    import numpy as np

    run = Path(shutil.copytree(toy()[0], folder / "run"))
    damage(newest(run) / case[0], *case[1:])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = fit(run, resume=True).get_weights()
    for one, other in zip(found, toy()[2], strict=True):
        np.testing.assert_array_equal(one, other)


fault(3, one_file, the_generation_before_is_found, tries=1000)
fault(3, edited, the_generation_before_is_found, tries=1000)
fault(3, two_files, nothing_is_lost_where_none_is_whole, tries=1000)
fault(3, edited, a_forged_one_is_sound_or_passed_over, tries=1000)
fault(3, one_of_ours, training_ends_in_the_same_bits, tries=50)
