"""What is lost on the way into shards is counted, listed and said."""

import csv

import pytest
import tomli_w
from data.data_toys import make_spec, read_rows, write_rows, write_set

from mmkeras.cli import main
from mmkeras.data import prepare


@pytest.fixture
def root(tmp_path):
    write_set(tmp_path / "root")
    return tmp_path / "root"


def listed(path) -> list[tuple[str, str, str]]:
    with open(path, newline="") as file:
        return [
            (row["id"], row["modality"], row["reason"])
            for row in csv.DictReader(file)
        ]


def change(root, **cells):
    """Writes cells into rows: `image=(range(3), "no.png")`."""
    rows = read_rows(root)
    for column, (places, cell) in cells.items():
        for place in places:
            rows[place][column] = cell
    write_rows(root, rows)


def test_the_loss_of_an_optional_modality_is_said(root, tmp_path, capsys):
    change(root, image=(range(3), ""), color=([29], "gray"))
    for place in range(3, 23):
        (root / f"{place}.png").write_bytes(b"")
    spec = make_spec(
        root, modalities__image__optional=True, data__max_bad_fraction=0.9
    )
    found = prepare(spec, tmp_path / "out", workers=1)
    # One sample of 27 with a picture is left out by its label.
    assert found["lost"] == {
        "image": {"lost": 20, "of": 26, "reasons": {"empty": 20}}
    }
    said = capsys.readouterr().err
    assert "`image`: 20 of 26 lost (20 " in said
    assert "quarantined: 1 (1 unknown_class)" in said
    assert "`color`: 'gray' is no class, 1 times. Did you mean `grey`?" in said


def test_what_was_changed_is_said_as_a_share(root, tmp_path, capsys):
    said = make_spec().modalities["vector"].tell({"cut": 3}, 30)
    assert said == ["cut: 3 (10.0% of 30 samples)"]
    change(root, size=([1, 2], "?"))
    found = prepare(make_spec(root), tmp_path / "out", workers=1)
    assert found["said"] == [
        "`size`: 2 cells of `size` read as missing: 2 '?' (`data.missing`)"
    ]
    assert found["said"][0] in capsys.readouterr().err


@pytest.mark.parametrize("column", ["image", "color"])
def test_refused_data_leave_the_whole_list_and_nothing_else(
    root, tmp_path, column
):
    change(root, **{column: (range(12), "nowhere")})
    with pytest.raises(ValueError, match="12 of 30") as caught:
        prepare(make_spec(root), tmp_path / "out", workers=1)
    path = tmp_path / "out.quarantine.csv"
    assert str(path) in str(caught.value)
    reason = {"image": "not_found", "color": "unknown_class"}[column]
    assert listed(path) == [(f"s{i}", column, reason) for i in range(12)]
    assert {p.name for p in tmp_path.iterdir()} == {"root", path.name}
    # What is mended is prepared in the same place.
    change(root, image=(range(12), "0.png"), color=(range(12), "grey"))
    assert prepare(make_spec(root), tmp_path / "out", workers=1)


def test_wrong_classes_are_collected_by_name(root, tmp_path):
    change(root, color=([*range(0, 20, 2)], "gray"), group=([1], "x"))
    change(root, color=([1, 3], "blue"))
    with pytest.raises(ValueError) as caught:
        prepare(make_spec(root), tmp_path / "out", workers=1)
    lines = str(caught.value).splitlines()
    near = "Did you mean `grey`?"
    assert lines[1] == f"`color`: 'gray' is no class, 10 times. {near}"
    assert lines[2].startswith("`color`: 'blue' is no class, 2 times.")


def test_a_list_of_somebody_else_is_left_alone(root, tmp_path):
    (tmp_path / "out.quarantine.csv").write_text("mine")
    change(root, image=(range(12), "none.png"))
    for _ in range(2):
        with pytest.raises(ValueError, match="out.quarantine-2.csv"):
            prepare(make_spec(root), tmp_path / "out", workers=1)
    assert (tmp_path / "out.quarantine.csv").read_text() == "mine"


def test_a_dry_run_reads_all_and_prepares_nothing(root, tmp_path, capsys):
    change(root, image=([3], "none.png"))
    spec = tmp_path / "spec.toml"

    def plain(value):
        if isinstance(value, dict):
            return {k: plain(v) for k, v in value.items() if v is not None}
        return value

    spec.write_text(tomli_w.dumps(plain(make_spec(root).to_dict())))
    out = tmp_path / "out"
    command = ["prepare", str(spec), "--out", str(out), "--workers", "1"]
    assert main([*command, "--dry-run"]) == 0
    assert not out.exists()
    assert listed(tmp_path / "out.quarantine.csv") == [
        ("s3", "image", "not_found")
    ]
    assert "would hold: train" in capsys.readouterr().out
    rehearsed = prepare(spec, out, workers=1, dry_run=True)
    found = prepare(spec, out, workers=1)
    for key in ("statistics", "quarantined", "incomplete"):
        assert rehearsed[key] == found[key]
    for split, part in found["splits"].items():
        assert rehearsed["splits"][split]["count"] == part["count"]


def test_a_dry_run_says_that_the_data_would_be_refused(root, tmp_path, capsys):
    change(root, image=(range(12), "none.png"), color=([20], "gray"))
    with pytest.raises(ValueError, match="13 of 30"):
        prepare(make_spec(root), tmp_path / "out", workers=1, dry_run=True)
    assert len(listed(tmp_path / "out.quarantine.csv")) == 13
    assert (tmp_path / "out.dry_run.json").is_file()
