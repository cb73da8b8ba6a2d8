"""The encoder that voice_encoder.py writes, against PyTorch and librosa."""

import hashlib
import io
import sys
import zipfile

import numpy as np
import pytest
import voice_encoder
from voice_encoder import MEL_BANDS, main

from mmkeras.model import SavedTower, load_model, own_tower

UNITS, SECONDS = 6, 0.1


@pytest.fixture(scope="module")
def torch():
    return pytest.importorskip("torch")


@pytest.fixture
def lstm(torch):
    torch.manual_seed(0)
    return torch.nn.LSTM(MEL_BANDS, UNITS, 3, batch_first=True)


@pytest.fixture
def wheel(lstm, torch, tmp_path, monkeypatch):
    """A wheel like Resemblyzer's, with a small network in it."""
    state = {f"lstm.{k}": v for k, v in lstm.state_dict().items()}
    content = io.BytesIO()
    torch.save({"step": 1, "model_state": state}, content)
    path = tmp_path / "toy.whl"
    with zipfile.ZipFile(path, "w") as files:
        files.writestr(voice_encoder.WEIGHTS, content.getvalue())
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    monkeypatch.setattr(voice_encoder, "WHEEL_SHA256", digest)
    monkeypatch.setattr(voice_encoder, "UNITS", UNITS)
    return path


def test_the_model_says_what_pytorch_says(wheel, lstm, torch, tmp_path):
    librosa = pytest.importorskip("librosa")
    out = tmp_path / "new" / "voice.keras"
    assert main([str(wheel), "--out", str(out), "--duration-sec", "0.1"]) == 0
    sound = np.random.default_rng(0).normal(size=1600).astype("float32")
    bands = librosa.feature.melspectrogram(
        y=sound, sr=16000, n_fft=400, hop_length=160, n_mels=40, center=False
    )
    x, said = torch.from_numpy(bands.T[None]), []
    for i in range(3):
        one = torch.nn.LSTM(x.shape[-1], UNITS, batch_first=True)
        state = {k: v for k, v in lstm.state_dict().items() if f"_l{i}" in k}
        one.load_state_dict({k[:-1] + "0": v for k, v in state.items()})
        x, _ = one(x)
        said.append(x.detach().numpy()[0])
    found = load_model(out)(sound[None])
    wanted = np.concatenate(said[1:], axis=1)
    assert wanted.shape == (8, 2 * UNITS)
    np.testing.assert_allclose(found["tokens"][0], wanted, atol=1e-5)
    np.testing.assert_allclose(found["vector"][0], wanted.mean(0), atol=1e-5)
    # As a recipe takes it: the dict of a tower passes as it is.
    tower = own_tower(SavedTower(model=str(out)), "voice", (1600,), "float32")
    np.testing.assert_allclose(tower(sound[None])["vector"], found["vector"])


def test_another_file_is_one_message_and_nothing_written(tmp_path, capsys):
    other = tmp_path / "other.whl"
    other.write_bytes(b"no wheel")
    out = tmp_path / "voice.keras"
    for wheel in (other, tmp_path / "missing.whl"):
        assert main([str(wheel), "--out", str(out)]) == 2
        message = capsys.readouterr().err
        assert message.startswith("voice_encoder: ") and str(wheel) in message
        assert message.count("\n") == 1
    assert not out.exists()


def test_without_pytorch_it_says_how_to_get_it(
    wheel, tmp_path, capsys, monkeypatch
):
    monkeypatch.setitem(sys.modules, "torch", None)
    assert main([str(wheel), "--out", str(tmp_path / "voice.keras")]) == 2
    message = capsys.readouterr().err
    assert message.startswith("voice_encoder: PyTorch must be installed")
    assert "`make backends`" in message and message.count("\n") == 1
