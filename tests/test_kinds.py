"""Kinds own their facts: the registries, and who else knows a kind's name."""

from typing import Literal

import pytest
from house import knowers, uses

import mmkeras
from mmkeras import processes
from mmkeras.spec import MODALITIES, DataSpec, Modality, Target


class Points(Modality):
    """A cloud of points."""

    kind: Literal["cloud"]
    column: str
    count: int

    @property
    def shape(self):
        return (self.count, 3)


class Stars(Target):
    """A rating."""

    kind: Literal["stars"]


SPEC = {
    "name": "own",
    "modalities": {"cloud": {"kind": "cloud", "column": "c", "count": 5}},
    "targets": {"rating": {"kind": "stars", "column": "r"}},
}


def test_only_kinds_know_the_names_of_kinds():
    assert not knowers()


def test_the_count_finds_comparisons_and_tables(tmp_path):
    path = tmp_path / "code.py"
    path.write_text(
        "if kind == 'image': pass\n"
        "if kind in ('audio', 'x'): pass\n"
        "TABLE = {'text': 1, 'number': 2}\n"
        "name = 'image'\nlone = {'text': 1}\n"
    )
    assert uses(path) == 3


def test_a_kind_of_ones_own_is_read_from_a_spec():
    with mmkeras.registrations():
        mmkeras.register_modality(Points)
        mmkeras.register_target(Stars)
        spec = DataSpec.from_dict(SPEC)
        assert type(spec.modalities["cloud"]) is Points
        assert spec.modalities["cloud"].shape == (5, 3)
        # The whole table is kept, not what all kinds share.
        assert spec.to_dict()["modalities"]["cloud"]["count"] == 5
        assert DataSpec.from_dict(spec.to_dict()).sha256 == spec.sha256


def test_registrations_end_with_their_context():
    with mmkeras.registrations():
        mmkeras.register_modality(Points)
    with pytest.raises(ValueError, match="one of audio, image, points, ser"):
        DataSpec.from_dict(SPEC)


def test_a_mistyped_key_of_an_own_kind_gets_the_nearest_one():
    cloud = {**SPEC["modalities"]["cloud"], "cuont": 4}
    with mmkeras.registrations():
        mmkeras.register_modality(Points)
        mmkeras.register_target(Stars)
        with pytest.raises(ValueError, match=r"cloud.cuont`.* mean `count`"):
            DataSpec.from_dict({**SPEC, "modalities": {"cloud": cloud}})


def test_children_import_the_module_that_defines_a_kind():
    before = processes.adopted()
    assert "mmkeras.kinds.image" not in before
    with mmkeras.registrations():
        mmkeras.register_target(Stars)
        assert processes.adopted() == [*before, Stars.__module__]
    assert processes.adopted() == before


def test_a_kind_has_one_class():
    class Image(Modality):
        kind: Literal["image"]
        column: str

    with (
        mmkeras.registrations(),
        pytest.raises(ValueError, match="'image' .*which `mmkeras.kinds.image"),
    ):
        mmkeras.register_modality(Image)


def test_a_class_that_is_defined_anew_takes_its_own_place():
    def define():
        class Again(Modality):
            kind: Literal["again"]
            column: str

        return Again

    with mmkeras.registrations():
        mmkeras.register_modality(define())
        latest = mmkeras.register_modality(define())
        assert MODALITIES.known["again"] is latest


@pytest.mark.parametrize("wrong", [Stars, dict, "points", None])
def test_a_modality_must_be_a_class_of_one(wrong):
    with pytest.raises(ValueError, match="`cls` must be a subclass of Mod"):
        mmkeras.register_modality(wrong)


def test_a_kind_without_a_name_is_refused():
    class Nameless(Modality):
        column: str

    with pytest.raises(ValueError, match="Nameless.kind` must be declared"):
        mmkeras.register_modality(Nameless)


def test_what_a_kind_does_not_offer_is_said():
    cloud = Points(kind="cloud", column="c", count=5)
    assert Points.part("read") is None
    with pytest.raises(ValueError, match="'cloud' must define `augment`"):
        cloud.ask("augment", "augment")
