"""A model made of NumPy whose answers depend on what is present."""

import numpy as np
from target_toys import target_of

from mmkeras.kinds import Audio, Image, Text, Vector

CLASSES = ["zero", "one", "two"]
TARGETS = {
    "digit": target_of("category", classes=CLASSES),
    "size": target_of("number", unit="mm"),
    "tags": target_of("categories", classes=["a", "b"]),
}
MODALITIES = {
    # Fewer samples a second than a spec may have.
    "audio": Audio.model_construct(kind="audio", sample_rate_hz=800),
    "image": Image(kind="image", column="i", height=6, width=6, channels=1),
    "table": Vector(kind="vector", columns=list("abcde")),
    "text": Text(kind="text", column="t", max_tokens=7),
}
OPTIONAL = ("audio", "image", "text")


class ToyModel:
    """Right wherever a modality that knows the label is there.

    The image knows the digit, the sound the size, the text the tags: each
    carries it in its first value.
    """

    input = dict.fromkeys([*MODALITIES, "present"])
    output = dict.fromkeys(TARGETS)

    def predict_on_batch(self, x):
        audio, image, text = np.asarray(x["present"]).T
        digit = np.asarray(x["image"])[:, 0, 0, 0].astype(int) % 3
        digit = np.where(image == 1, digit, 0)
        size = np.asarray(x["audio"])[:, 0] * 100
        tags = np.asarray(x["text"])[:, 0]
        known = np.stack([tags % 2, tags // 2 % 2], axis=1)
        return {
            "digit": np.eye(3)[digit] * 0.8 + 0.2 / 3,
            "size": np.where(audio == 1, size, 50.0)[:, None],
            "tags": np.where(text[:, None] == 1, known * 0.6 + 0.2, 0.3),
        }


def toy_batches(samples=40, batch=16, seed=0, wrong=4):
    """Batches for `ToyModel`, which gets the first `wrong` digits wrong."""
    draw = np.random.default_rng(seed)
    image = draw.integers(0, 256, (samples, 6, 6, 1)).astype("uint8")
    audio = draw.uniform(0, 1, (samples, 80)).astype("float32")
    text = draw.integers(1, 5, (samples, 7)).astype("int32")
    digit = (image[:, 0, 0, 0] % 3).astype("int32")
    digit[:wrong] = (digit[:wrong] + 1) % 3
    x = {
        "audio": audio,
        "image": image,
        "table": draw.normal(size=(samples, 5)).astype("float32"),
        "text": text,
        "present": np.ones((samples, 3), "float32"),
    }
    tags = np.stack([text[:, 0] % 2, text[:, 0] // 2 % 2], axis=1)
    noise = draw.normal(0, 2, samples)
    y = {
        "digit": digit,
        "size": (audio[:, 0] * 100 + noise).astype("float32"),
        "tags": tags.astype("float32"),
    }
    w = {name: np.ones(samples, "float32") for name in y}
    w["digit"][5::10] = 0
    return [
        tuple(
            {name: values[start : start + batch] for name, values in d.items()}
            for d in (x, y, w)
        )
        for start in range(0, samples, batch)
    ]
