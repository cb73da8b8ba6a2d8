"""A model file that leads elsewhere is refused before it is parsed."""

import zipfile

import h5py
import keras
import numpy as np
import pytest
from faults.model_toys import (
    NAMES,
    first_array,
    layer_of,
    members,
    pack,
    save_toy,
    with_config,
    with_weights,
)

from mmkeras.model import inspect_model, load_model


@pytest.fixture(scope="module")
def toy(tmp_path_factory):
    return save_toy(tmp_path_factory.mktemp("toy") / "model.keras")


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A folder beside a host file; Keras never gets to see the model."""

    def parsed(*_args, **_options):
        raise RuntimeError("a hostile file was parsed")

    monkeypatch.setattr(keras.saving, "load_model", parsed)
    with h5py.File(tmp_path / "host.h5", "w") as host:
        host["secret"] = np.zeros((4, 3), "float32")
    folder = tmp_path / "folder"
    folder.mkdir()
    yield folder
    assert sorted(p.name for p in tmp_path.iterdir()) == ["folder", "host.h5"]
    assert [p.name for p in folder.iterdir()] == ["model.keras"]


def link(name):
    """A member that says it is a symbolic link."""
    info = zipfile.ZipInfo(name)
    info.external_attr = 0o120777 << 16
    return info


MEMBERS = {
    "../canary": lambda p: [*p.items(), ("../canary", b"x")],
    "/canary": lambda p: [*p.items(), ("/canary", b"x")],
    "assets/../../canary": lambda p: [*p.items(), ("assets/../../c", b"x")],
    "assets": lambda p: [*p.items(), ("assets/vocabulary.txt", b"x")],
    "a folder": lambda p: [*p.items(), ("assets/", b"")],
    "a pickle": lambda p: [*p.items(), ("model.pkl", b"x")],
    "twice": lambda p: [*p.items(), ("config.json", b"{}")],
    "upper case": lambda p: [(n.upper(), d) for n, d in p.items()],
    "without weights": lambda p: list(p.items())[:2],
    "a link": lambda p: (
        [(n, p[n]) for n in NAMES[:2]]
        + [(link("model.weights.h5"), b"/etc/hostname")]
    ),
}


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("kind", MEMBERS)
def test_other_members_are_refused(toy, place, kind):
    path = pack(place / "model.keras", MEMBERS[kind](members(toy)))
    with pytest.raises(ValueError, match="model.keras.*with nothing added"):
        load_model(path)


def test_weights_that_are_compressed_are_refused(toy, place):
    parts = members(toy).items()
    path = pack(place / "model.keras", parts, zipfile.ZIP_DEFLATED)
    with pytest.raises(ValueError, match="compressed, which Keras never"):
        load_model(path)


def external_storage(root):
    root.create_dataset(
        "outside", (2,), "float32", external=[("/etc/hostname", 0, 8)]
    )


def virtual(root):
    layout = h5py.VirtualLayout((4, 3), "float32")
    layout[:] = h5py.VirtualSource("../host.h5", "secret", (4, 3))
    root.create_virtual_dataset("virtual", layout)


def replaced(make):
    def change(root):
        array = first_array(root)
        parent, name = array.parent, array.name.rpartition("/")[2]
        del parent[name]
        parent[name] = make(parent)

    return change


def itself(root):
    root["layers/again"] = root


def texts(root):
    root.create_dataset("texts", data=["a"], dtype=h5py.string_dtype())


def references(root):
    root.create_dataset("refs", (1,), h5py.ref_dtype)


WEIGHTS = {
    "ExternalLink": replaced(lambda _: h5py.ExternalLink("../host.h5", "/")),
    "SoftLink": replaced(lambda _: h5py.SoftLink("/layers")),
    "in another file": external_storage,
    "lie in another": virtual,
    "linked twice": itself,
    "of type object": texts,
    "Datatype": lambda root: root.__setitem__("type", np.dtype("float32")),
    "compressed": lambda root: root.create_dataset(
        "gzip", data=np.zeros(9), compression="gzip"
    ),
}


@pytest.mark.parametrize("kind", WEIGHTS)
def test_weights_that_lead_elsewhere_are_refused(toy, place, kind):
    path = with_weights(toy, place / "model.keras", WEIGHTS[kind])
    with pytest.raises(ValueError, match=f"Received: weights.*{kind}"):
        load_model(path)


def test_references_are_refused(toy, place):
    path = with_weights(toy, place / "model.keras", references)
    with pytest.raises(ValueError, match="`/refs` of type object"):
        load_model(path)


@pytest.mark.parametrize(
    "name", ["../canary", "a/../../canary", "a\\b", "a\nb", "a\0b"]
)
def test_names_that_lead_elsewhere_are_refused(toy, place, name):
    def change(config):
        layer_of(config, "inner_dense")["config"]["name"] = name

    path = with_config(toy, place / "model.keras", change)
    with pytest.raises(ValueError, match="Received: the name"):
        load_model(path)


@pytest.mark.parametrize("keep", [0.0, 0.2, 0.5, 0.8, 0.99])
def test_a_file_cut_short_is_refused(toy, place, keep):
    data = toy.read_bytes()
    (place / "model.keras").write_bytes(data[: int(len(data) * keep)])
    with pytest.raises(ValueError, match="model.keras.*saved by Keras"):
        load_model(place / "model.keras")


def test_weights_cut_short_inside_a_whole_archive_are_refused(toy, place):
    parts = members(toy)
    half = len(parts["model.weights.h5"]) // 2
    parts["model.weights.h5"] = parts["model.weights.h5"][:half]
    path = pack(place / "model.keras", parts.items())
    with pytest.raises(ValueError, match="model.keras.*saved by Keras"):
        load_model(path)


def test_damaged_weights_are_refused_or_whole(toy, place):
    """Whatever HDF5 raises, one kind of error comes out."""
    parts, draw = members(toy), np.random.default_rng(0)
    weights = parts["model.weights.h5"]
    refused = 0
    for _ in range(200):
        damaged = bytearray(weights)
        for at in draw.integers(0, len(weights), 8):
            damaged[at] = draw.integers(256)
        parts["model.weights.h5"] = bytes(damaged)
        path = pack(place / "model.keras", parts.items())
        try:
            inspect_model(path)
        except ValueError as error:
            assert "must be a model saved by Keras" in str(error)
            refused += 1
    assert refused > 20
