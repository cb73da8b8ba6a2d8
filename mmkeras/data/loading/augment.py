"""Which augmentation a training batch gets: the settings, checked.

All of it is stateless: what happens to a batch follows from the batch's seed.
Augmentation in the frequency domain (SpecAugment) belongs to the audio tower,
which makes the spectrogram.
"""

from collections.abc import Callable, Mapping

import numpy as np

from mmkeras.arguments import check_keys, nearest
from mmkeras.data.loading.draws import Draws
from mmkeras.data.loading.mix import check_mix, check_values, mixer
from mmkeras.data.loading.moves import Moves
from mmkeras.data.loading.together import check_together, shared_draws
from mmkeras.data.stored import VARIANTS, to_model
from mmkeras.spec import Augmentation, DataSpec, Learned, Target

# What `augment` may hold beside the modalities.
TABLES = ("together", "mix")


def settings_of(spec: DataSpec, augment: bool | dict) -> dict[str, dict]:
    """Returns the settings of each augmented modality, complete and checked.

    And, where they are given, its tables: "together", names of modalities by
    the key of the draw that they share, and "mix", the values of `MIX`.

    Args:
        spec: The spec.
        augment: As in `load_data`. Keys left out of a modality's dict are off.
    """
    known = {name: m.augmentations for name, m in spec.modalities.items()}
    if augment is True:
        augment = {
            name: {key: change.default for key, change in changes.items()}
            for name, changes in known.items()
        }
    if augment is False:
        return {}
    if not isinstance(augment, dict):
        raise ValueError(
            "`augment` must be True, False or a dict by modality. "
            f"Received: augment={augment!r}"
        )
    found = {}
    # A modality of that name goes first.
    tables = {n: augment[n] for n in TABLES if n in augment and n not in known}
    for name, values in augment.items():
        if name in tables:
            continue
        if name not in known:
            raise ValueError(
                f"`augment` must name modalities of the spec, or be one of "
                f"its tables {', '.join(TABLES)}. Received: "
                f"{name!r}.{nearest(str(name), list(known))}"
            )
        _check(f"augment.{name}", known[name], values)
        values = {
            key: values.get(key, change.off)
            for key, change in known[name].items()
        }
        if any(values.values()):
            found[name] = values
            _check_steps(spec, name, values)
            _check_variants(spec, name, values)
    if together := tables.get("together"):
        found["together"] = check_together(spec, together, found)
    mixed = check_values(tables.get("mix", {}), _check)
    if any(mixed.values()):
        check_mix(spec, mixed)
        found["mix"] = mixed
    return found


def variants_of(spec: DataSpec, settings: Mapping[str, dict]) -> list[str]:
    """Returns the modalities whose variants a training batch may take."""
    return [
        name
        for name in sorted(settings)
        if name in spec.modalities and _share(spec, name, settings[name])
    ]


def _share(spec: DataSpec, name: str, values: Mapping) -> float:
    """Returns the share of samples that are replaced by a variant."""
    keys = spec.modalities[name].augmentations
    return sum(v for key, v in values.items() if keys[key].of_variants)


def _check_variants(spec: DataSpec, name: str, values: dict) -> None:
    """Refuses a share of variants where `prepare` made none."""
    if _share(spec, name, values) and not spec.modalities[name].variant_names:
        keys = spec.modalities[name].augmentations
        key = next(k for k in values if keys[k].of_variants)
        raise ValueError(
            f"`augment.{name}.{key}` must be 0 where the spec stores no "
            f"variants of `{name}`. Received: {values[key]}; "
            f"{keys[key].meaning}"
        )


def augmenter(
    spec: DataSpec,
    settings: dict[str, dict],
    learned: Mapping[str, Learned] | None = None,
) -> Callable:
    """Returns a function from (inputs, seed) to augmented inputs.

    Args:
        spec: The spec.
        settings: What `settings_of` returned.
        learned: What reading took from the training split, by modality;
            `data.learned`.

    Returns:
        A function for `Dataset.map`: the dict of inputs and an int64 scalar
        go in, the dict comes out with the same shapes and dtypes. What is
        absent stays so.
    """
    move = _mover(spec, settings, learned)
    return lambda inputs, seed: move(inputs, seed)[0]


def _mover(
    spec: DataSpec,
    settings: dict[str, dict],
    learned: Mapping[str, Learned] | None,
) -> Callable:
    """As `augmenter`, with how each modality was moved, `Moves` by name."""
    known = learned or {}
    steps = {
        name: spec.modalities[name].augment_learned(
            settings[name], known.get(name, Learned())
        )
        for name in sorted(settings)
        if name in spec.modalities
    }
    is_table = "together" not in spec.modalities
    together = settings.get("together", {}) if is_table else {}
    shared = shared_draws(spec, together)

    # In the unit of a batch: a shard's zero may be the middle of a window.
    absent = {
        name: to_model(
            modality, np.array(modality.absent, modality.stored.dtype)
        )
        for name, modality in spec.modalities.items()
        if name in steps
    }

    def change(inputs: dict, seed):
        outputs, moves = dict(inputs), {}
        for number, (name, step) in enumerate(steps.items()):
            draws = Draws(seed, number, shared.get(name))
            values = inputs[name]
            variants = outputs.pop(f"{VARIANTS}{name}", None)
            if variants is not None:
                share = _share(spec, name, settings[name])
                values = _one_of(values, variants, share, draws)
            outputs[name] = step(values, draws)
            moves[name] = draws.moves
            moves[name].shape = spec.modalities[name].shape
            if name in spec.optional:
                there = inputs["present"][:, spec.optional.index(name)]
                outputs[name] = _where(there, outputs[name], absent[name])
        return outputs, moves

    return change


def batch_augmenter(
    spec: DataSpec,
    settings: dict[str, dict],
    learned: Mapping[str, Learned] | None = None,
) -> Callable:
    """Returns a function from a batch and its seed to an augmented batch.

    As `augmenter`. Labels that are told in the places of a modality move with
    it; then samples are mixed in pairs, with labels and weights, where the
    settings say so.
    """
    change = _mover(spec, settings, learned)
    values = None if "mix" in spec.modalities else settings.get("mix")
    mix = mixer(spec, values) if values else None

    def change_batch(batch: tuple, seed):
        inputs, moves = change(batch[0], seed)
        labels, weights = _moved(spec, batch[1], batch[2], moves)
        if mix is None:
            return inputs, labels, weights
        return mix(inputs, labels, weights, seed)

    return change_batch


def _moved(
    spec: DataSpec, labels: dict, weights: dict, moves: Mapping[str, Moves]
) -> tuple[dict, dict]:
    """Returns labels and weights moved as their modalities were."""
    labels, weights = dict(labels), dict(weights)
    for name, target in spec.targets.items():
        moved = moves.get(target.moves_with, Moves())
        if target.moved_by and moved:
            pair = target.move(labels[name], weights[name], moved)
            labels[name], weights[name] = pair
    return labels, weights


def _check_steps(spec: DataSpec, name: str, values: dict) -> None:
    """Refuses to move steps away from their labels."""
    keys = spec.modalities[name].augmentations
    moved = [key for key, value in values.items() if value]
    _check_places(spec, name, {key: values[key] for key in moved})
    moved = [key for key in moved if keys[key].moves_time]
    labelled = [
        n
        for n, t in spec.targets.items()
        if t.follows_time and not _follows(t, name, "time")
    ]
    if moved and labelled:
        raise ValueError(
            f"`augment.{name}.{moved[0]}` must be 0 where a target has a "
            "label for each step, which would no longer be that of its step. "
            f"Received: {values[moved[0]]}, target `{labelled[0]}`"
        )
    # A variant is the whole sample, and only its pace is another.
    cut = [key for key in moved if not keys[key].of_variants]
    whole = [n for n, t in spec.targets.items() if t.needs_whole]
    if cut and whole:
        raise ValueError(
            f"`augment.{name}.{cut[0]}` must be 0 where a label tells all that "
            "is in a sample, of which a part would be lost. "
            f"Received: {values[cut[0]]}, target `{whole[0]}`"
        )


def _follows(target: Target, name: str, what: str) -> bool:
    return what in target.moved_by and target.moves_with == name


def _check_places(spec: DataSpec, name: str, values: dict) -> None:
    """Refuses to move what is seen away from labels that tell places."""
    keys = spec.modalities[name].augmentations
    for target_name, target in spec.targets.items():
        if target.moves_with != name or "space" not in target.moved_by:
            continue
        alone = [k for k in values if keys[k].moves_space == "alone"]
        if alone:
            raise ValueError(
                f"`augment.{name}.{alone[0]}` must be 0 where a target tells "
                "places in it, which cannot follow. Received: "
                f"{values[alone[0]]}, target `{target_name}`"
            )


def _check(label: str, keys: Mapping[str, Augmentation], values: dict) -> None:
    if not isinstance(values, dict):
        raise ValueError(
            f"`{label}` must be a dict. Received: {values!r}; keys: "
            f"{', '.join(keys) or 'none, this kind is not augmented'}"
        )
    check_keys(label, values, keys)
    for key, value in values.items():
        if not keys[key].takes(value):
            raise ValueError(
                f"`{label}.{key}` must be {keys[key].expected}. "
                f"Received: {value!r}"
            )


def _one_of(values, variants, share: float, draws):
    """Puts one of the variants in the place of some samples.

    Args:
        values: `(batch, *shape)`.
        variants: `(batch, variants, *shape)`.
        share: Of the samples that are replaced.
        draws: Seeds.
    """
    import tensorflow as tf

    batch = tf.shape(values)[0]
    which = tf.random.stateless_uniform(
        (batch,), next(draws), maxval=variants.shape[1], dtype=tf.int32
    )
    taken = tf.random.stateless_uniform((batch,), next(draws)) < share
    taken = tf.reshape(taken, (-1,) + (1,) * (len(values.shape) - 1))
    return tf.where(taken, tf.gather(variants, which, batch_dims=1), values)


def _where(there, changed, absent):
    import tensorflow as tf

    shape = (-1,) + (1,) * (len(changed.shape) - 1)
    return tf.where(
        tf.reshape(there > 0, shape), changed, tf.cast(absent, changed.dtype)
    )
