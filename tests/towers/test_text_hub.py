"""BERT and its like: padding, RoBERTa's own ids, presets in a folder."""

import keras
import numpy as np
import pytest

from mmkeras.towers import text_tower

TINY = {"max_tokens": 6, "vocabulary_size": 20, "units": 8, "heads": 2}
IDS = np.array([[1, 7, 2, 0, 0, 0], [1, 5, 9, 11, 19, 2]], "int32")
CLASSES = {
    "bert": "BertBackbone",
    "distilbert": "DistilBertBackbone",
    "roberta": "RobertaBackbone",
}
each_variant = pytest.mark.parametrize("variant", CLASSES)


def backbone(variant, **changes):
    """A tiny one of keras_hub's own."""
    from keras_hub import models

    keras.utils.set_random_seed(0)
    return getattr(models, CLASSES[variant])(
        **{
            "vocabulary_size": 20,
            "num_layers": 1,
            "num_heads": 2,
            "hidden_dim": 8,
            "intermediate_dim": 16,
            "max_sequence_length": 6,
            **changes,
        }
    )


def preset(variant, folder, **changes):
    """Saves one as a preset."""
    made = backbone(variant, **changes)
    made.save_to_preset(str(folder))
    return made


@each_variant
def test_padding_does_not_matter_and_none_gives_zeros(variant):
    tower = text_tower(name="review", variant=variant, **TINY)
    out = tower(IDS)
    np.testing.assert_array_equal(out["mask"], (IDS != 0).astype("float32"))
    assert out["tokens"].shape == (2, 6, 8)
    short = text_tower(variant=variant, **{**TINY, "max_tokens": 3})
    positions = [i for i, w in enumerate(tower.weights) if w.shape == (6, 8)]
    weights = tower.get_weights()
    for i in positions:
        weights[i] = weights[i][:3]
    short.set_weights(weights)
    np.testing.assert_allclose(
        out["vector"][:1], short(IDS[:1, :3])["vector"], atol=1e-5
    )
    nothing = tower(np.zeros((1, 6), "int32"))
    np.testing.assert_array_equal(nothing["vector"], np.zeros((1, 8)))
    assert np.isfinite(nothing["tokens"]).all()


@each_variant
def test_a_preset_in_a_folder_gives_its_own_rows(variant, tmp_path):
    hub = preset(variant, tmp_path / "preset")
    tower = text_tower(
        variant=variant, pretrained=str(tmp_path / "preset"), **TINY
    )
    dense = tower.get_layer("text_tokens")
    rows = keras.Model(tower.input, dense.input)(IDS)
    own = IDS.copy()
    if variant == "roberta":
        own[IDS == 0], own[IDS == 1] = 1, 0
    given = {"token_ids": own, "padding_mask": (IDS != 0).astype("int32")}
    if variant == "bert":
        given["segment_ids"] = np.zeros_like(IDS)
    wanted = hub(given)
    wanted = wanted["sequence_output"] if variant == "bert" else wanted
    np.testing.assert_allclose(
        np.asarray(rows)[IDS != 0], np.asarray(wanted)[IDS != 0], atol=1e-5
    )


def test_a_preset_of_fewer_tokens_is_refused(tmp_path):
    preset("bert", tmp_path / "preset", vocabulary_size=19)
    with pytest.raises(ValueError, match="every token of the tokenizer, 20"):
        text_tower(variant="bert", pretrained=str(tmp_path / "preset"), **TINY)
