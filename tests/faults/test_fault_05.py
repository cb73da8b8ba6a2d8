"""Fault 5: a training gone on with after its data or settings changed."""

import shutil

import pytest
from test_fault_02 import RECIPE, prepared  # noqa: F401


@pytest.fixture(scope="module")
def begun(prepared, tmp_path_factory):  # noqa: F811
    from mmkeras.runs import train_run

    out = tmp_path_factory.mktemp("begun") / "run"
    train_run(prepared / "data", recipe(), "full", out, verbose=0)
    return out


def recipe(**changed):
    import tomllib

    found = tomllib.loads(RECIPE)
    found["training"] = {**found["training"], "full": {"epochs": 1}, **changed}
    return found


def other_classes(folder, tmp_path):
    """The demo set again, its samples the same and a class renamed."""
    from mmkeras.data import prepare
    from mmkeras.spec import DataSpec, load_spec

    values = load_spec(folder / "raw" / "demo.toml").to_dict()
    names = [*values["targets"]["digit"]["classes"]]
    values["targets"]["digit"]["classes"] = names[::-1]
    spec = DataSpec.from_dict(values)
    prepare(spec, tmp_path / "other", root=folder / "raw", workers=1)
    return tmp_path / "other"


def test_a_changed_setting_is_named_with_both_values(prepared, begun):  # noqa: F811
    from mmkeras.runs import train_run

    with pytest.raises(ValueError) as error:
        train_run(
            prepared / "data",
            recipe(learning_rate=0.5),
            "full",
            begun,
            verbose=0,
        )
    assert "`settings.learning_rate`: 0.001 -> 0.5" in str(error.value)
    assert "`recipe.training.learning_rate`: 'not set' -> 0.5" in str(
        error.value
    )
    assert "`--restart`" in str(error.value)


def test_a_changed_class_list_is_named_and_a_restart_takes_it(
    prepared,  # noqa: F811
    begun,
    tmp_path,
):
    from mmkeras.runs import train_run

    data = other_classes(prepared, tmp_path)
    copy = tmp_path / "run"
    shutil.copytree(begun, copy)
    before = (copy / "manifest.json").read_bytes()
    with pytest.raises(ValueError) as error:
        train_run(data, recipe(), "full", copy, verbose=0)
    assert "`spec.targets.digit.classes`: ['" in str(error.value)
    assert "`data_sha256`" in str(error.value)
    assert (copy / "manifest.json").read_bytes() == before
    train_run(data, recipe(), "full", copy, verbose=0, restart=True)
    assert (copy / "manifest.json").read_bytes() != before
