"""`--download`: what is fetched is checked before it is used."""

import http.client
import io
import tarfile
from pathlib import Path

import avdigits
import builder
import fsdd
import pytest
from builder_toys import run


def archive_of(folder: Path, path: Path) -> None:
    """Packs recordings as GitHub does, with members that must not be used."""
    with tarfile.open(path, "w:gz") as files:
        for name in ("../../escaped.txt", "fsdd/README.md", "/0_x_999.txt"):
            files.addfile(tarfile.TarInfo(name), io.BytesIO())
        link = tarfile.TarInfo("fsdd/recordings/0_x_998.wav")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        files.addfile(link)
        for recording in folder.iterdir():
            files.add(recording, f"fsdd/recordings/{recording.name}")


@pytest.fixture
def server(source, tmp_path, monkeypatch) -> Path:
    """A folder that plays the servers of MNIST and FSDD."""
    folder = tmp_path / "server"
    folder.mkdir()
    files = {}
    for path in (source / "mnist").iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
        size, digest = path.stat().st_size, builder.artefact.sha256_of(path)
        files[path.name] = (size, digest)
    archive_of(source / "fsdd", folder / "fsdd.tar.gz")
    monkeypatch.setattr(avdigits, "MNIST_FILES", files)
    monkeypatch.setattr(avdigits, "MNIST_URL", f"{folder.as_uri()}/")
    monkeypatch.setattr(avdigits, "FSDD_URL", (folder / "fsdd.tar.gz").as_uri())
    monkeypatch.setattr(
        avdigits, "FSDD_SHA256", avdigits.digest_of(source / "fsdd")
    )
    return folder


def test_download_fetches_checks_and_builds(server):
    assert run(avdigits, "--download") == 0
    fetched = Path("data/avdigits_original")
    assert len(list((fetched / "fsdd").iterdir())) == 150
    assert not list(Path().rglob("escaped*"))
    assert len(list(Path("data/avdigits/audio").iterdir())) == 150
    # The second time nothing is asked for.
    for path in server.iterdir():
        path.unlink()
    assert run(avdigits, "--download", "--out", "again") == 0


def test_fsdd_alone_fetches_no_pictures(server):
    assert run(fsdd, "--download") == 0
    assert not Path("data/fsdd_original/mnist").exists()
    assert len(list(Path("data/fsdd/audio").iterdir())) == 150


@pytest.mark.parametrize("name", ["t10k-labels-idx1-ubyte.gz", "fsdd.tar.gz"])
def test_half_a_download_is_refused(name, server, capsys):
    raw = (server / name).read_bytes()
    (server / name).write_bytes(raw[: len(raw) // 2])
    assert run(avdigits, "--download") == 2
    message = capsys.readouterr().err
    assert message.count("\n") == 1
    assert "Received: " in message
    assert not Path("data/avdigits").exists()
    assert not Path("data/avdigits_original/fsdd").exists()
    assert not Path("data/avdigits_original", name).exists()


def test_a_flipped_bit_is_refused(server, capsys):
    path = server / "t10k-images-idx3-ubyte.gz"
    raw = bytearray(path.read_bytes())
    raw[5] ^= 1
    path.write_bytes(raw)
    assert run(avdigits, "--download") == 2
    assert "with sha256 " in capsys.readouterr().err
    assert not Path("data/avdigits_original/mnist", path.name).exists()


def test_another_set_of_recordings_is_refused(server, source, capsys):
    (source / "fsdd" / "0_x_0.wav").write_bytes(b"other")
    archive_of(source / "fsdd", server / "fsdd.tar.gz")
    assert run(avdigits, "--download") == 2
    assert "must hold FSDD's recordings" in capsys.readouterr().err
    assert not Path("data/avdigits_original/fsdd").exists()


def test_a_download_stops_at_its_size(tmp_path):
    (tmp_path / "big").write_bytes(bytes(1_000_000))
    url = (tmp_path / "big").as_uri()
    with pytest.raises(ValueError, match="at most 1,000 bytes"):
        builder.fetch(url, tmp_path / "copy", 1_000, None)
    assert not (tmp_path / "copy").exists()


@pytest.mark.parametrize(
    "error",
    [OSError("no route"), http.client.IncompleteRead(b"")],
    ids=["no network", "cut off"],
)
def test_a_failing_network_is_one_message(error, tmp_path, monkeypatch):
    def fail(*arguments, **options):
        raise error

    monkeypatch.setattr(builder.urllib.request, "urlopen", fail)
    with pytest.raises(ValueError, match="could not be downloaded. Received"):
        builder.fetch("https://x.org/y", tmp_path / "copy", 10, "0" * 64)
    assert list(tmp_path.iterdir()) == []
