"""Each objective teaches what a linear probe can then read."""

import keras
import pytest
from keras import ops
from pretext_toys import over, wave_tower, waves
from sklearn.linear_model import LogisticRegression

from mmkeras.training.pretext import pretext_model

# Share of 500 waves whose frequency is told, beyond the untrained tower's.
GAINS = {
    "contrastive": ("same", 0.25),
    "masked": ("same", 0.1),
    "autoencode": ("same", 0.15),
    "next_step": ("causal", 0.1),
}


def probed(tower):
    def vectors(x):
        return ops.convert_to_numpy(tower(x, training=False)["vector"])

    (x, labels), (unseen, wanted) = waves(80, 2), waves(500, 3)
    known = vectors(x)
    mean, deviation = known.mean(0), known.std(0) + 1e-6
    probe = LogisticRegression(max_iter=1000)
    probe.fit((known - mean) / deviation, labels)
    return probe.score((vectors(unseen) - mean) / deviation, wanted)


@pytest.mark.parametrize("objective", GAINS)
def test_the_vector_tells_more_after_pretraining(objective):
    keras.utils.set_random_seed(0)
    padding, gain = GAINS[objective]
    tower = wave_tower(padding=padding)
    before = probed(tower)
    model = pretext_model(over(tower), "s", objective)
    model.compile(keras.optimizers.Adam(5e-3), jit_compile=False)
    x, _ = waves(512, 1)
    history = model.fit({"s": x}, {}, batch_size=64, epochs=25, verbose=0)
    assert history.history["loss"][-1] < history.history["loss"][0]
    assert probed(tower) >= before + gain
