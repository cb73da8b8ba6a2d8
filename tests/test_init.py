"""The recipe's table `[init]`: towers of other runs, and what is refused."""

from types import SimpleNamespace

import numpy as np
import pytest

from mmkeras import artefact
from mmkeras.runs import (
    check_same_kind,
    check_same_words,
    read_init,
    read_training,
    take_towers,
)
from mmkeras.spec import DataSpec

AUDIO = {
    "kind": "audio",
    "column": "audio",
    "sample_rate_hz": 8000,
    "duration_sec": 0.5,
}
TARGET = {"kind": "category", "column": "digit", "classes": ["no", "yes"]}


def spec(**changed):
    return DataSpec.from_dict(
        {
            "name": "sounds",
            "data": {"id_column": "id"},
            "modalities": {"audio": {**AUDIO, **changed}},
            "targets": {"digit": TARGET},
        }
    )


def data_of(own, **vocabularies):
    return SimpleNamespace(spec=own, vocabularies=vocabularies)


def model_of(own, seed):
    import keras

    import mmkeras

    keras.utils.set_random_seed(seed)
    recipe = {"towers": {"audio": {"units": 4, "width": 4, "depth": 1}}}
    return mmkeras.build_from_recipe(own, {}, recipe)[0]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run on sounds of half a second."""
    folder = tmp_path_factory.mktemp("run")
    model_of(spec(), 1).save(folder / "model.keras")
    about = {"spec": spec().to_dict()}
    artefact.write_manifest(folder, "run", ["model.keras"], **about)
    return folder


@pytest.mark.parametrize("entry", ["path", "table"])
def test_a_tower_of_another_run_also_of_longer_sounds(run, entry):
    own = spec(duration_sec=1.0)
    model = model_of(own, 2)
    given = str(run) if entry == "path" else {"run": run, "name": "audio"}
    before = model.get_layer("digit").get_weights()
    found = take_towers(model, data_of(own), read_init({"audio": given}))
    assert found == {"audio": artefact.sha256_of(run / artefact.MANIFEST)}
    source = model_of(spec(), 1).get_layer("audio_tower")
    pairs = zip(
        model.get_layer("audio_tower").get_weights(), source.get_weights()
    )
    for one, other in pairs:
        np.testing.assert_array_equal(one, other)
    for one, other in zip(before, model.get_layer("digit").get_weights()):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize(
    ("init", "message"),
    [
        ({"audio": {"folder": "x"}}, "`init.audio.folder` is not a known key"),
        ({"image": "x"}, "`init.image` must give one of the modalities audio"),
        ({"audio": {"name": "x"}}, "`init.audio`: `run` must be given"),
    ],
)
def test_what_is_wrong_is_refused_by_name(init, message):
    own = spec()
    with pytest.raises(ValueError) as error:
        take_towers(model_of(own, 2), data_of(own), read_init(init))
    assert message in str(error.value)


def test_another_sample_rate_is_refused_though_all_weights_fit(run):
    own = spec(sample_rate_hz=4000, duration_sec=1.0)
    with pytest.raises(ValueError) as error:
        init = read_init({"audio": str(run)})
        take_towers(model_of(own, 2), data_of(own), init)
    assert "there -> here: `modalities.audio.sample_rate_hz`: 8000" in str(
        error.value
    )


def test_a_run_without_a_spec_is_taken_at_its_word():
    check_same_kind(spec(), "audio", {}, "audio")


@pytest.mark.parametrize("init", ["runs/first", ["runs/first"], {"audio": 3}])
def test_a_table_is_asked_for(init):
    with pytest.raises(ValueError, match="^`init"):
        read_init(init)


@pytest.mark.parametrize(
    "training, key",
    [(3, "training"), ({"full": 3}, "training.full")],
)
def test_settings_are_tables(training, key):
    with pytest.raises(ValueError, match=f"^`{key}` must be a table.*3"):
        read_training(training)


def test_words_of_another_tokenizer_are_not_taken_for_ours():
    manifest = {"vocabularies": {"review": "a" * 64}}
    same = data_of(spec(), text="a" * 64)
    check_same_words(same, "text", manifest, "review")
    check_same_words(data_of(spec()), "audio", manifest, "review")
    check_same_words(same, "text", {}, "text")
    other = data_of(spec(), text="b" * 64)
    with pytest.raises(ValueError, match="`init.text` must.*aaaa -> bbbb"):
        check_same_words(other, "text", manifest, "review")
