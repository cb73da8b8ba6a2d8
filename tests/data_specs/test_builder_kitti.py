"""The builder of kitti, on a small copy of its layout, of generated scenes."""

import builder
import driving
import kitti
import numpy as np
import pandas as pd
import pytest
from PIL import Image

import mmkeras
from mmkeras.data import load_data, prepare
from mmkeras.spec import load_spec, read_toml

FOLDER = builder.__file__.removesuffix("builder.py")
NAMES = {"car": "Car", "pedestrian": "Pedestrian", "cyclist": "Cyclist"}
LEFT_OUT = "DontCare -1 -1 -10 1 2 9 9 -1 -1 -1 -1000 -1000 -1000 -10"
DRIVES, FRAMES = 10, 2


def line_of(scene):
    """The line of what is ahead, with the box of its pixels, or none."""
    up = np.linspace(8, -14, driving.HEIGHT)
    left = np.linspace(22, -22, driving.WIDTH)
    _, met = driving.cast(scene, driving.rays(up, left))
    rows, columns = np.nonzero(met.reshape(driving.HEIGHT, -1) >= 0)
    if not len(rows):
        return []
    box = columns.min(), rows.min(), columns.max() + 1, rows.max() + 1
    edges = " ".join(f"{edge:.2f}" for edge in box)
    place = f"{-scene.left_m:.2f} 1.70 {scene.distance_m:.2f}"
    name = NAMES[scene.what]
    return [f"{name} 0.00 0 0.00 {edges} 1.50 1.60 4.00 {place} 0.00"]


@pytest.fixture
def source(tmp_path):
    """Frames of drives, in another order than they were driven in."""
    root, drives = tmp_path / "kitti", []
    for part in kitti.PARTS:
        (root / "training" / part).mkdir(parents=True)
    for number in range(DRIVES * FRAMES):
        drive, turn = number % DRIVES, number // DRIVES
        draw = np.random.default_rng([1, drive])
        scene = driving.scenes(draw)[turn]
        name = f"training/%s/{number:06}.%s"
        picture = Image.fromarray(driving.photograph(scene, draw))
        picture.save(root / (name % ("image_2", "png")))
        if number:
            scan = driving.scan(scene, draw).tobytes()
            (root / (name % ("velodyne", "bin"))).write_bytes(scan)
        text = "\n".join([*line_of(scene), LEFT_OUT])
        (root / (name % ("label_2", "txt"))).write_text(text)
        drives.append(f"2011_09_26 drive_{drive} {turn:010}")
    (root / "mapping").mkdir()
    # Frame 0 is the last line, and so on.
    (root / "mapping/train_mapping.txt").write_text("\n".join(drives[::-1]))
    order = ",".join(str(len(drives) - n) for n in range(len(drives)))
    (root / "mapping/train_rand.txt").write_text(order)
    return root


def run(source, out):
    return builder.main(kitti.BUILDER, [str(source), "--out", str(out)])


def test_a_small_copy_goes_from_its_layout_to_a_model(source, tmp_path):
    root = tmp_path / "data" / "kitti"
    assert run(source, root) == 0
    table = pd.read_csv(root / "manifest.csv", dtype=str)
    assert len(table) == DRIVES * FRAMES
    assert table["drive"].tolist() == [f"drive_{n}" for n in range(DRIVES)] * 2
    assert table["lidar"].isna().tolist() == [True, *[False] * 19]
    assert {*table["without_dontcare"]} == {"1"}
    original = source / "training/image_2/000003.png"
    assert (root / "camera/000003.png").read_bytes() == original.read_bytes()

    spec = load_spec(f"{FOLDER}kitti.toml")
    found = prepare(root / "manifest.csv", spec, tmp_path / "out", root, 1)
    assert found["quarantined"] == {}
    boxes = sum(json_boxes != "[]" for json_boxes in table["boxes"])
    data = load_data(tmp_path / "out", batch_size=2, augment=False)
    labels = [
        y["users"][y["users"][..., 4] >= 0]
        for split in (data.train, data.validation, data.test)
        for _, y, _ in split
    ]
    assert sum(map(len, labels)) == boxes > 5
    recipe = read_toml(f"{FOLDER}recipes/kitti.toml")
    model, _ = mmkeras.build_from_recipe(
        data.spec, data.statistics, recipe, data
    )
    x, *_ = next(iter(data.test))
    told = model.predict(x, verbose=0)
    # Levels of 32 x 104, 16 x 52 and 8 x 26 cells.
    assert told["users"].shape[1:] == (4368, 11)
    assert np.isfinite(told["users"]).all()
    assert told["nearest"].shape[1:] == (1,)


@pytest.mark.parametrize(
    ("path", "text", "message"),
    [
        ("mapping/train_rand.txt", "1,2,x", "train_mapping.txt"),
        ("mapping/train_rand.txt", "1,2,3", "every frame"),
        ("training/label_2/000001.txt", "Car 0 0 1 2 3", "a class and 14"),
        ("training/label_2/000001.txt", LEFT_OUT.replace("Dont", ""), "'Care"),
    ],
)
def test_a_wrong_file_is_one_message(
    source, tmp_path, capsys, path, text, message
):
    (source / path).write_text(text)
    assert run(source, tmp_path / "out") == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_another_folder_is_refused(tmp_path, capsys):
    assert run(tmp_path, tmp_path / "out") == 2
    assert "training/label_2" in capsys.readouterr().err
