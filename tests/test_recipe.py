"""A recipe, read once: every key known, checked, shown and named."""

import dataclasses
import json
import tomllib
from pathlib import Path

import pytest
from typer.testing import CliRunner

from mmkeras import heads, image_tower
from mmkeras.cli import app
from mmkeras.fusion import FUSIONS
from mmkeras.introspection import meanings
from mmkeras.options import Dropped, Options, Variants
from mmkeras.runs import (
    check_recipe,
    read_recipe,
    recipe_of,
    reference,
    show_recipe,
)
from mmkeras.spec import MODALITIES, TARGETS, DataSpec, load_spec, read_toml
from mmkeras.training import ALIGNMENTS, PRETEXTS, STRATEGIES

SPECS = Path(__file__).parents[1] / "data_specs"
RECIPES = sorted(SPECS.glob("recipes/*.toml"))
SPEC = DataSpec.from_dict({
    "name": "toy",
    "modalities": {
        "image": {"kind": "image", "column": "image", "height": 16,
                  "width": 16, "channels": 1, "optional": True},
        "text": {"kind": "text", "column": "text", "max_tokens": 8,
                 "vocabulary_size": 50},
        "clip": {"kind": "video", "column": "clip", "frames": 4, "height": 16,
                 "width": 16, "channels": 1},
    },
    "targets": {"digit": {"kind": "category", "column": "digit",
                          "classes": ["0", "1"]}},
})  # fmt: skip


def options_of_every_part():
    """Yields each class of options, with its name."""
    tables = {
        **{k: cls.tower_options() for k, cls in MODALITIES.known.items()},
        **{k: cls.head_options() for k, cls in TARGETS.known.items()},
        "fusion": FUSIONS,
        "pretext": PRETEXTS,
        "alignment": ALIGNMENTS,
        **STRATEGIES,
    }
    for name, table in tables.items():
        if isinstance(table, Variants):
            for variant, part in table.parts.items():
                yield pytest.param(part.options, id=f"{name}-{variant}")
        else:
            yield pytest.param(table, id=name)


@pytest.mark.parametrize("options", options_of_every_part())
def test_each_option_says_what_it_means(options):
    assert issubclass(options, Options)
    means = meanings(options)
    for key in options.names():
        if key not in ("variant", "method", "objective"):
            assert means.get(key), f"`Args` of {options.__name__}: {key}"


def test_an_option_that_a_variant_lacks_is_an_error():
    with pytest.raises(ValueError, match="`heads` needs a variant.*: vit"):
        image_tower(16, 16, 1, variant="cnn", heads=8)
    with pytest.raises(ValueError, match="`towers.image.heads` needs a var"):
        read_recipe({"towers": {"image": {"heads": 8}}}, SPEC)


def test_an_empty_recipe_has_every_default():
    recipe = read_recipe({}, SPEC)
    assert recipe.towers["image"].variant == "cnn"
    assert recipe.towers["clip"].frame_tower.variant == "cnn"
    assert recipe.fusion.method == "gated"
    assert recipe.heads["digit"] == heads.CategoryOptions()
    assert recipe.modality_dropout == 0.1
    assert recipe.training.batch_size == 32
    assert recipe.strategy("full").epochs == 20
    assert recipe.source == {}


@pytest.mark.parametrize(
    "source, said",
    [
        ({"tower": {}}, "`tower` is not a known key. Did you mean `towers`"),
        (
            {"towers": {"image": {"hight": 8}}},
            "`towers.image.hight` is not a known key.",
        ),
        ({"towers": {"images": {}}}, "`towers.images` is not a known key. Did"),
        (
            {"towers": {"image": {"units": "8"}}},
            "`towers.image.units` must be a positive integer.*units='8'",
        ),
        (
            {"towers": {"clip": {"frame_tower": {"heads": 2}}}},
            "`towers.clip.frame_tower.heads` needs a variant",
        ),
        ({"towers": {"image": 3}}, "`towers.image` must be a table"),
        ({"fusion": {"method": "gate"}}, "`fusion.method`.*mean `gated`"),
        ({"fusion": {"experts": 2}}, "`fusion.experts` needs a method"),
        ({"heads": {"digit": {"steps": 2}}}, "`heads.digit.steps` is not a"),
        ({"training": {"epoch": 2}}, "`training.epoch` is not.*`epochs`"),
        (
            {"training": {"full": {"tower_epochs": 2}}},
            "`training.full.tower_epochs` is not a known key",
        ),
        (
            {"training": {"component": {"pretrain": {"image": {
                "objective": "masked", "temperature": 1.0}}}}},
            "`pretrain.image.temperature` needs an? objective",
        ),
        ({"training": {"learning_rate": 0}}, "`training.learning_rate` must"),
        ({"modality_dropout": 1}, "`modality_dropout` must be a number from 0"),
        ({"augment": "much"}, "`augment` must be true, false or a table"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named(source, said):
    with pytest.raises(ValueError, match=said):
        read_recipe(source, SPEC)


def test_what_all_strategies_share_is_an_error_for_one_that_lacks_it():
    recipe = read_recipe({"training": {"tower_epochs": 2}}, SPEC)
    assert recipe.strategy("component").tower_epochs == 2
    with pytest.raises(ValueError, match="not a setting of the strategy 'full"):
        recipe.strategy("full")


OLD = {
    "towers": {
        "image": {"variant": "cnn", "heads": 8, "colour": "red"},
        "clip": {"frame_tower": {"variant": "resnet18", "filters": 4}},
    },
    "training": {"full": {"epochs": 3, "speed": 2}, "haste": True},
    "brand": "new",
}


def test_an_older_run_is_read_and_what_it_no_longer_uses_is_named(capsys):
    recipe = recipe_of({"recipe": OLD}, SPEC)
    assert recipe.strategy("full").epochs == 3
    assert recipe.source is OLD
    said = capsys.readouterr().out
    assert said == (
        "The recipe of the run has 6 keys that nothing uses: `brand`, "
        "`towers.clip.frame_tower.filters`, `towers.image.colour`, "
        "`towers.image.heads`, `training.full.speed`, `training.haste`\n"
    )


def test_a_drawn_variant_loses_what_only_others_have():
    dropped = Dropped()
    source = {"towers": {"image": {"heads": 8}}, "fusion": {"experts": 2}}
    read_recipe(source, SPEC, dropped)
    assert sorted(dropped.keys) == ["fusion.experts", "towers.image.heads"]
    with pytest.raises(ValueError, match="`towers.image.hedas` is not a known"):
        read_recipe({"towers": {"image": {"hedas": 8}}}, SPEC, Dropped())


def plain(options):
    """The values as JSON has them: a tuple is a list."""
    return json.loads(json.dumps(dataclasses.asdict(options)))


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_the_shipped_recipes_are_valid(path):
    check_recipe(path)
    spec = {"emodb_fsdd": "emodb", "emodb_voice": "emodb"}
    place = SPECS / f"{spec.get(path.stem, path.stem)}.toml"
    source = check_recipe(path, place)
    # What is shown says the same, with every default in its place.
    shown = tomllib.loads(show_recipe(path, place))
    again = read_recipe(shown, load_spec(place))
    recipe = read_recipe(source, load_spec(place))
    for part in ("towers", "fusion", "heads", "init"):
        assert getattr(again, part) == getattr(recipe, part)
    for name, strategy in recipe.training.strategies.items():
        assert plain(again.strategy(name)) == plain(strategy)


def test_check_and_show_on_the_command_line(tmp_path):
    file = tmp_path / "recipe.toml"
    file.write_text('[towers.image]\nunits = 32\n[fusion]\nmethod = "concat"\n')
    spec = SPECS / "demo.toml"
    found = CliRunner().invoke(app, ["recipe", "check", str(file)])
    assert found.output == f"{file}: valid\n"
    found = CliRunner().invoke(
        app, ["recipe", "show", str(file), "--spec", str(spec)]
    )
    lines = found.output.splitlines()
    assert "units = 32" in lines
    assert "filters = 16  # default" in lines
    assert 'method = "concat"' in lines
    assert "[training.full]" in lines
    found = CliRunner().invoke(app, ["recipe", "show", str(file)])
    assert "filters" not in found.output and "units = 32" in found.output


@pytest.mark.parametrize(
    "text, said",
    [
        ("[towers.image]\nhight = 8\n", "`towers.image.hight` is not a known"),
        ("[towers.image]\nheads = 8\n", "`towers.image.heads` needs a varian"),
        ("[heads.digit]\nunit = 8\n", "`heads.digit.unit` is not a known key"),
        ("[compare.more]\nstrategy = 'full'\nepoch = 3\n",
         "`compare.more.epoch` is not a known key. Did you mean `epochs`"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("spec", [(), ("--spec", str(SPECS / "demo.toml"))])
def test_an_error_names_the_file(tmp_path, text, said, spec):
    file = tmp_path / "recipe.toml"
    file.write_text(text)
    if "heads = 8" in text and not spec:
        # A text has heads: without a spec it may be one.
        return
    found = CliRunner().invoke(app, ["recipe", "check", str(file), *spec])
    assert found.exit_code
    assert str(found.exception).startswith(f"{file}: {said}")


def test_the_readme_lists_every_key():
    """`mmkeras recipe reference > data_specs/recipes/README.md` writes it."""
    page = (SPECS / "recipes" / "README.md").read_text(encoding="utf-8")
    assert page == reference()


def test_a_recipe_is_read_as_it_is_written():
    source = read_toml(SPECS / "recipes" / "demo.toml")
    assert read_recipe(source, load_spec(SPECS / "demo.toml")).source is source
