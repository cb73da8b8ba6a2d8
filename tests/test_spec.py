"""The spec: what is accepted, and what the errors say."""

import copy
import tomllib
from pathlib import Path

import pytest

from mmkeras.spec import DataSpec, load_spec

SPECS = Path(__file__).parents[1] / "data_specs"
SPEC = """
name = "toy"

[data]
root = "files"

[modalities.photo]
kind = "image"
column = "photo"
height = 8
width = 6

[modalities.song]
kind = "audio"
column = "song"
optional = true
sample_rate_hz = 8000
duration_sec = 0.5

[modalities.note]
kind = "text"
column = "note"
optional = true
max_tokens = 16

[modalities.table]
kind = "vector"
columns = ["age", "weight"]

[targets.species]
kind = "category"
column = "species"
classes = ["no", "yes"]

[targets.tags]
kind = "categories"
column = "tags"
classes = ["big", "red"]

[targets.size]
kind = "number"
column = "size"
unit = "mm"
"""


def values() -> dict:
    return tomllib.loads(SPEC)


def edited(key: str, value: object) -> dict:
    """Returns the toy spec with `key`, such as "data.root", set to `value`."""
    *tables, last = key.split(".")
    table = whole = values()
    for name in tables:
        table = table.setdefault(name, {})
    if value is None:
        del table[last]
    else:
        table[last] = value
    return whole


@pytest.mark.parametrize(
    "path", sorted(SPECS.glob("*.toml")), ids=lambda path: path.stem
)
def test_every_committed_spec_is_valid_and_says_where_it_comes_from(path):
    spec = load_spec(path)
    assert spec.name == path.stem
    assert len(spec.description) > 200
    assert spec.data.id_column == "id"
    # Several specs may read what one script builds.
    scripts = [script.stem for script in SPECS.glob("*.py")]
    builders = [name for name in scripts if path.stem.startswith(name)]
    builder = max(builders, key=len, default=path.stem)
    assert spec.root == SPECS / "../data" / builder


def test_a_spec_reads_back_equal(tmp_path):
    (tmp_path / "toy.toml").write_text(SPEC)
    spec = load_spec(tmp_path / "toy.toml")
    again = DataSpec.from_dict(spec.to_dict())
    assert again == DataSpec.from_dict(values())
    assert again.sha256 == spec.sha256
    assert spec.root == tmp_path / "files"
    assert spec.optional == ("note", "song")
    shapes = {name: m.shape for name, m in spec.modalities.items()}
    assert shapes.pop("photo") == (8, 6, 3)
    assert shapes == {"song": (4000,), "note": (16,), "table": (2,)}


def test_the_hash_tells_any_change():
    before = DataSpec.from_dict(values()).sha256
    for key, value in (
        ("split.seed", 1),
        ("targets.species.classes", ["yes", "no"]),
        ("modalities.note.optional", False),
    ):
        assert DataSpec.from_dict(edited(key, value)).sha256 != before


def test_a_spec_never_changes():
    spec = DataSpec.from_dict(values())
    with pytest.raises(ValueError, match="frozen"):
        spec.name = "other"
    with pytest.raises(ValueError, match="frozen"):
        spec.modalities["photo"].height = 9


def test_only_keeps_what_is_named_and_requires_it():
    spec = DataSpec.from_dict(values())
    alone = spec.only("song")
    assert list(alone.modalities) == ["song"]
    assert alone.optional == ()
    assert alone.targets == spec.targets
    assert list(spec.only("song", "note").modalities) == ["note", "song"]
    with pytest.raises(ValueError, match=r"Received: \['sing'\]; modalities"):
        spec.only("sing")
    with pytest.raises(ValueError, match="`names` must be modalities"):
        spec.only()


def test_only_keeps_the_folder_of_the_spec(tmp_path):
    (tmp_path / "toy.toml").write_text(SPEC)
    spec = load_spec(tmp_path / "toy.toml")
    assert spec.only("song").root == spec.root


# Key, wrong value (None deletes the key), and what the message must hold.
WRONG = [
    ("nmae", "x", ["`nmae` is not a known key", "Did you mean `name`?"]),
    ("data.roott", "x", ["`data.roott`", "Did you mean `root`?", "manifest"]),
    ("split.grop", "x", ["`split.grop`", "Did you mean `group`?"]),
    ("modalities.photo.heigth", 8, ["photo.heigth`", "mean `height`?"]),
    ("modalities.song.sample_rate", 1, ["mean `sample_rate_hz`?", "crop"]),
    ("targets.size.unti", "mm", ["`targets.size.unti`", "`unit`?"]),
    ("name", None, ["`name` must be given"]),
    ("modalities.photo.height", None, ["`modalities.photo.height` must be"]),
    ("modalities.photo.kind", None, ["photo.kind`", "audio, image", "None"]),
    ("modalities.photo.kind", "imgae", ["photo.kind`", "'imgae'", "image,"]),
    ("modalities.photo.kind", 3, ["photo.kind`", "audio, image", "3"]),
    ("modalities.photo.height", "8", ["photo.height`", "integer", "'8'"]),
    ("modalities.photo.height", 8.0, ["photo.height`", "integer", "8.0"]),
    ("modalities.photo.height", True, ["photo.height`", "integer", "True"]),
    ("modalities.photo.height", -8, ["photo.height`", "greater", "-8"]),
    ("modalities.photo.height", 10**6, ["photo.height`", "8192", "1000000"]),
    ("modalities.photo.channels", 2, ["photo.channels`", "1 or 3", "2"]),
    ("modalities.photo.resize", "cut", ["photo.resize`", "'pad'", "'cut'"]),
    ("modalities.photo.optional", 1, ["photo.optional`", "boolean", "1"]),
    ("modalities.photo.noise_std", -0.1, ["photo.noise_std`", "-0.1"]),
    ("modalities.song.duration_sec", 0, ["song.duration_sec`", "greater"]),
    ("modalities.song.duration_sec", float("nan"), ["finite", "nan"]),
    ("modalities.song.sample_rate_hz", 2 * 10**9, ["384000", "2000000000"]),
    ("modalities.note.vocabulary_size", 0, ["vocabulary_size`", "16"]),
    ("modalities.note.tokenizer", "bpe", ["tokenizer`", "'word'", "'bpe'"]),
    ("modalities.note.tokenizer", "bert", ["`modalities.note`", "=None"]),
    ("modalities.note.vocabulary", "v", ["`modalities.note`", "'wordpiece'"]),
    ("modalities.table.categorical", ["age"], ["`modalities.table`", "once"]),
    ("modalities.table.columns", [1, 2], ["table.columns.0`", "string", "1"]),
    ("modalities.table.columns", [], ["`modalities.table`", "columns=[]"]),
    ("modalities.table.file", "x.npy", ["`modalities.table`", "'x.npy'"]),
    ("modalities", [], ["`modalities`", "table", "[]"]),
    ("modalities.photo", 3, ["`modalities.photo`", "table", "3"]),
    ("modalities.Photo", {}, ["`modalities.Photo.kind`", "None"]),
    ("targets", None, ["`targets` must be given"]),
    ("targets.species.classes", ["no"], ["species.classes`", "at least 2"]),
    ("targets.species.classes", ["a", "a"], ["species.classes`", "'a' twice"]),
    ("targets.species.classes", [True, False], ["classes.0`", "string"]),
    ("targets.species.classes", "no", ["species.classes`", "array", "'no'"]),
    ("targets.size.weight", 0, ["size.weight`", "greater than 0", "0"]),
    ("data.max_bad_fraction", 1.5, ["max_bad_fraction`", "1.5"]),
    ("split.train", 0.9, ["`split`", "add up to 1", "0.9, 0.1, 0.1"]),
    ("split.train", -0.8, ["`split.train`", "greater", "-0.8"]),
    ("split.seed", -1, ["`split.seed`", "greater", "-1"]),
    ("split.column", "part", ["`split`", "'part'", "method='fractions'"]),
    ("split.method", "column", ["`split`", "column=None"]),
    ("split.method", "random", ["`split.method`", "'column'", "'random'"]),
    ("split.stratify", "size", ["`split.stratify`", "'size'", "species"]),
    ("split.stratify", "tags", ["`split.stratify`", "'tags'", "species"]),
]


@pytest.mark.parametrize(
    ("key", "value", "parts"), WRONG, ids=[f"{w[0]}={w[1]}" for w in WRONG]
)
def test_an_error_names_file_key_value_and_choices(key, value, parts):
    with pytest.raises(ValueError) as error:
        DataSpec.from_dict(edited(key, value), "toy.toml")
    message = str(error.value)
    assert message.startswith("toy.toml: ")
    assert "pydantic" not in message
    for part in parts:
        assert part in message


@pytest.mark.parametrize(
    "name",
    ["Photo", "photo-1", "1st", "", "a" * 41, "a b", "ä"],
)
@pytest.mark.parametrize("table", ["modalities", "targets"])
def test_a_name_that_cannot_be_an_argument_is_refused(table, name):
    whole = values()
    whole[table][name] = copy.deepcopy(next(iter(whole[table].values())))
    with pytest.raises(ValueError, match="Names must be lower-case") as error:
        DataSpec.from_dict(whole)
    assert repr(name) in str(error.value)


def test_a_modality_and_a_target_do_not_share_a_name():
    whole = values()
    whole["targets"]["photo"] = whole["targets"].pop("size")
    with pytest.raises(ValueError, match=r"share a name.*\['photo'\]"):
        DataSpec.from_dict(whole)


def test_several_errors_are_told_at_once():
    whole = edited("modalities.photo.height", -1)
    whole["nmae"] = whole.pop("name")
    with pytest.raises(ValueError) as error:
        DataSpec.from_dict(whole, "toy.toml")
    lines = str(error.value).splitlines()
    assert len(lines) == 3
    assert all(line.startswith("toy.toml: `") for line in lines)


def test_an_integer_may_stand_for_a_number():
    spec = DataSpec.from_dict(edited("modalities.song.duration_sec", 2))
    assert spec.modalities["song"].shape == (16000,)


def test_categories_follow_the_numbers_or_stand_alone():
    whole = edited("modalities.table.categorical", ["town"])
    assert DataSpec.from_dict(whole).modalities["table"].shape == (3,)
    del whole["modalities"]["table"]["columns"]
    assert DataSpec.from_dict(whole).modalities["table"].shape == (1,)
    whole["modalities"]["table"]["file"] = "x.npy"
    with pytest.raises(ValueError, match=r"categorical=\['town'\]"):
        DataSpec.from_dict(whole)


def test_a_vector_is_columns_or_rows_of_a_file():
    whole = values()
    rows = {"kind": "vector", "file": "x.npy", "column": "row", "size": 5}
    whole["modalities"]["table"] = rows
    assert DataSpec.from_dict(whole).modalities["table"].shape == (5,)
    # Without the file, the column itself holds the numbers.
    del rows["file"]
    assert DataSpec.from_dict(whole).modalities["table"].shape == (5,)
    for key in ("column", "size"):
        part = {name: value for name, value in rows.items() if name != key}
        whole["modalities"]["table"] = part
        with pytest.raises(ValueError, match="`columns` must be given alone"):
            DataSpec.from_dict(whole)
