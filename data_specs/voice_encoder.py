"""Writes a speaker encoder trained on many voices as a Keras model.

    pip download --no-deps resemblyzer==0.1.4
    python data_specs/voice_encoder.py Resemblyzer-0.1.4-py3-none-any.whl \
        --out build/voice_encoder.keras

Resemblyzer (github.com/resemble-ai/Resemblyzer, Apache 2.0) learned to tell
some 8,000 speakers of LibriSpeech and VoxCeleb apart. Three LSTMs read 40 mel
bands, 100 frames a second; what the upper two say of each frame becomes a
token, and their mean the vector. A recipe takes the file by
`[towers.NAME] model = "build/voice_encoder.keras"`.

Reading the wheel needs PyTorch; the model that is written does not.

Source: Wan et al., "Generalized End-to-End Loss for Speaker Verification",
2018 (arXiv 1710.10467).
"""

import argparse
import hashlib
import io
import os
import sys
import zipfile
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

WHEEL_SHA256 = (
    "8f12eb2f1a9982d32e8db7856de754709b59c93a77bcf0ff536584b619a9dd1f"
)
WEIGHTS = "resemblyzer/pretrained.pt"
SAMPLE_RATE_HZ = 16_000
MEL_BANDS = 40
UNITS = 256
FLOOR = 1e-6


def read_weights(wheel: Path) -> list[list]:
    """Returns kernel, recurrent kernel and bias of each LSTM, as Keras has it.

    Raises:
        ValueError: If `wheel` is another file.
    """
    content = wheel.read_bytes()
    digest = hashlib.sha256(content).hexdigest()
    if digest != WHEEL_SHA256:
        raise ValueError(
            "WHEEL must be Resemblyzer-0.1.4-py3-none-any.whl with sha256 "
            f"{WHEEL_SHA256}. Received: {wheel} with {digest}"
        )
    try:
        import torch
    except ImportError as error:
        raise ValueError(
            "PyTorch must be installed to read WHEEL: `make backends`, or "
            f"`pip install torch`. Received: {error}"
        ) from error

    with zipfile.ZipFile(io.BytesIO(content)) as files:
        file = io.BytesIO(files.read(WEIGHTS))
    found = torch.load(file, map_location="cpu", weights_only=True)
    found = {k: v.numpy() for k, v in found["model_state"].items()}
    # Both order their gates alike; PyTorch has two biases, to be added.
    return [
        [
            found[f"lstm.weight_ih_l{i}"].T,
            found[f"lstm.weight_hh_l{i}"].T,
            found[f"lstm.bias_ih_l{i}"] + found[f"lstm.bias_hh_l{i}"],
        ]
        for i in range(3)
    ]


def voice_encoder(duration_sec: float):
    """Builds the encoder; its output is the dict of a tower.

    Returns:
        Model from samples at 16 kHz, `(batch, samples)` in [-1, 1], to
        `{"vector": (batch, 512), "tokens": (batch, frames, 512),
        "mask": (batch, frames)}`.
    """
    import keras
    from keras import layers, ops

    from mmkeras.towers import LogMel, MaskedMean

    sound = keras.Input((round(duration_sec * SAMPLE_RATE_HZ),), name="sound")
    bands = LogMel(
        SAMPLE_RATE_HZ,
        frame_length=400,
        hop_length=160,
        mel_bands=MEL_BANDS,
        low_hz=0.0,
        floor=FLOOR,
        fft_length=400,
        name="logmel",
    )(sound)
    # It was trained on power itself, not on its logarithm.
    x, said = ops.exp(bands) - FLOOR, []
    for i in range(3):
        x = layers.LSTM(UNITS, return_sequences=True, name=f"lstm_{i}")(x)
        said.append(x)
    tokens = layers.Concatenate(name="tokens")(said[1:])
    mask = ops.ones_like(tokens[:, :, 0])
    vector = MaskedMean(name="vector")(tokens, mask)
    outputs = {"vector": vector, "tokens": tokens, "mask": mask}
    return keras.Model(sound, outputs, name="voice_encoder")


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("wheel", metavar="WHEEL", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--duration-sec", type=float, default=2.0)
    options = parser.parse_args(arguments)
    try:
        weights = read_weights(options.wheel)
        from mmkeras import artefact

        model = voice_encoder(options.duration_sec)
        for i, values in enumerate(weights):
            model.get_layer(f"lstm_{i}").set_weights(values)
        options.out.parent.mkdir(parents=True, exist_ok=True)
        with artefact.atomic(options.out) as temporary:
            model.save(temporary)
    except (ValueError, OSError) as error:
        print(f"voice_encoder: {error}", file=sys.stderr)
        return 2
    print(f"{options.out}: {model.count_params():,} weights")
    return 0


if __name__ == "__main__":
    sys.exit(main())
