"""Every tower, fusion and head, as small as it can be and still learn."""

import itertools
from functools import partial

import numpy as np

from mmkeras import fusion, heads, towers
from mmkeras.checks import TOKENS, WIDTH, Task

RANDOM = np.random.default_rng(0)
# Five columns that hang together, for a projection to find something.
ROWS = RANDOM.normal(size=(64, 5)) @ RANDOM.normal(size=(5, 5))
FRAME = {"filters": 4, "depth": 2}


def image(size=16, **arguments):
    return towers.image_tower(size, size, 3, units=16, **arguments)


def audio(**arguments):
    if arguments.get("variant") != "moonshine":
        arguments = {"mel_bands": 16, **arguments}
    return towers.audio_tower(2000, 4000, units=16, **arguments)


def text(**arguments):
    return towers.text_tower(8, 24, units=16, **arguments)


def vector(size=5, **arguments):
    scale = {"mean": [1.0] * size, "variance": [4.0] * size}
    return towers.vector_tower(size, units=16, **scale, **arguments)


def series(**arguments):
    arguments = {"width": 8, "stride": 2, **arguments}
    return towers.series_tower(32, 3, units=16, **arguments)


def video(**arguments):
    return towers.video_tower(4, 16, 16, 3, units=16, **arguments)


def volume(**arguments):
    window = {"window_low": -1.0, "window_high": 1.0}
    return towers.volume_tower(
        8, 16, 16, units=16, filters=8, stages=2, **window, **arguments
    )


def points(**arguments):
    arguments = {"crop_m": [-1, -1, -1, 1, 1, 1], "width": 8, **arguments}
    return towers.points_tower(32, 4, units=16, **arguments)


TOWERS = {
    "image-cnn": partial(image, filters=4, depth=2),
    "image-mobilenet": partial(image, variant="mobilenet", filters=8, depth=2),
    "image-resnet18": partial(image, variant="resnet18"),
    "image-efficientnet": partial(image, 32, variant="efficientnet"),
    "image-vit": partial(
        image, variant="vit", filters=4, depth=1, patch=4, heads=2
    ),
    "audio-cnn": partial(audio, width=8, depth=2),
    "audio-cnn-mfcc": partial(
        audio, width=8, depth=2, features="mfcc", coefficients=12
    ),
    "audio-gru": partial(audio, variant="gru", width=8),
    "audio-lstm": partial(audio, variant="lstm", width=8),
    "audio-lstm-one-way": partial(
        audio, variant="lstm", width=8, bidirectional=False, stride=1
    ),
    "audio-wavenet": partial(audio, variant="wavenet", width=8, depth=2),
    "audio-wavenet-samples": partial(
        audio,
        variant="wavenet",
        width=16,
        depth=6,
        dropout=0.0,
        features="samples",
    ),
    "audio-resnet": partial(audio, variant="resnet", width=16, depth=2),
    "audio-whisper": partial(
        audio, variant="whisper", width=16, depth=1, heads=2
    ),
    "audio-moonshine": partial(
        audio, variant="moonshine", width=16, depth=1, heads=2
    ),
    "text-bag": partial(text, variant="bag"),
    "text-cnn": partial(text, variant="cnn"),
    "text-transformer": text,
    "text-transformer-phrases": partial(text, phrase=3, stride=2),
    "text-gru": partial(text, variant="gru"),
    "text-gru-one-way": partial(text, variant="gru", bidirectional=False),
    "text-lstm": partial(text, variant="lstm"),
    "text-bert": partial(text, variant="bert", heads=2),
    "text-distilbert": partial(text, variant="distilbert", heads=2),
    "text-roberta": partial(text, variant="roberta", heads=2),
    "vector": vector,
    "vector-categories": partial(vector, 3, categories=[3, 2]),
    "vector-ft-transformer": partial(
        vector, 3, variant="ft_transformer", heads=2, categories=[3, 2]
    ),
    "vector-pca": partial(vector, projection="pca", components=3, rows=ROWS),
    "vector-ica": partial(vector, projection="ica", components=3, rows=ROWS),
    "series-resnet": partial(series, depth=2),
    "series-tcn": partial(series, variant="tcn", depth=2),
    "series-gru": partial(series, variant="gru"),
    "series-gru-one-way": partial(series, variant="gru", bidirectional=False),
    "series-lstm": partial(series, variant="lstm"),
    "series-patch-transformer": partial(
        series, variant="patch_transformer", depth=1
    ),
    "video-gru": partial(video, frame_tower=FRAME),
    "video-attention": partial(video, variant="attention", frame_tower=FRAME),
    "video-cnn3d": partial(video, variant="cnn3d", filters=4, depth=2),
    "volume-cnn": volume,
    "volume-resnet": partial(volume, variant="resnet"),
    # Newer ones at the end, so that the others keep their partners.
    "points-pointnet": partial(points, depth=2, stride=8),
    "points-pillars": partial(points, variant="pillars", cells=8, stages=2),
    "vector-grouped": partial(
        vector, 9, variant="grouped", groups=4, categories=[3, 2]
    ),
    "video-differences": partial(
        video, variant="differences", filters=4, depth=2
    ),
}
FUSIONS = {
    "mean": lambda: fusion.Mean(16),
    "weighted_mean": lambda: fusion.WeightedMean(16),
    "max": lambda: fusion.Max(16),
    "concat": lambda: fusion.Concat(16, dropout=0.1),
    "projection": lambda: fusion.Projection(16),
    "mlp": lambda: fusion.MLP(16),
    "gated": lambda: fusion.Gated(16),
    "film": lambda: fusion.FiLM(16),
    "mixture_of_experts": lambda: fusion.MixtureOfExperts(16),
    "cross_attention": lambda: fusion.CrossAttention(16),
    "self_attention": lambda: fusion.SelfAttentionFusion(16),
    "bottleneck": lambda: fusion.Bottleneck(16),
    "mult": lambda: fusion.MulT(16),
    "perceiver": lambda: fusion.Perceiver(16, latents=4),
    "multi_channel_attention": lambda: fusion.MultiChannelAttention(16),
    "tensor": lambda: fusion.TensorFusion(16),
    "low_rank": lambda: fusion.LowRank(16),
    "bilinear": lambda: fusion.Bilinear(16),
    "multiplicative": lambda: fusion.MultiplicativeInteraction(16),
    "graph": lambda: fusion.Graph(16),
    "graph-tokens": lambda: fusion.Graph(16, nodes="tokens"),
    "multi_view": lambda: fusion.MultiView(16),
    "mimo": lambda: fusion.MIMO(16),
    "modality_invariant": lambda: fusion.ModalityInvariant(16),
    "average": lambda: fusion.Average(3),
    "weighted_average": lambda: fusion.WeightedAverage(3),
    "product_of_experts": lambda: fusion.ProductOfExperts(3),
    "stacking": lambda: fusion.Stacking(3),
}
# The same layers, told to compute something else.
OPTIONS = {
    "cross_attention-all-to-one": lambda: fusion.CrossAttention(
        16, query="middle"
    ),
    "film-by-one": lambda: fusion.FiLM(16, by="middle"),
    "bilinear-mlb": lambda: fusion.Bilinear(16, factors=1),
    "bilinear-mfb": lambda: fusion.Bilinear(16, normalise=True),
    "mixture_of_experts-balanced": lambda: fusion.MixtureOfExperts(
        16, balance=0.01
    ),
    "product_of_experts-number": lambda: fusion.ProductOfExperts(
        16, activation="linear"
    ),
    "stacking-any": lambda: fusion.Stacking(16, activation="sigmoid"),
}


def nearest(answers, classes):
    """Class of the nearest other sample."""
    similar = answers @ answers.T
    np.fill_diagonal(similar, -np.inf)
    return classes[similar.argmax(-1)]


SIZE = {
    "labels": lambda classes: classes.astype("float32"),
    "decide": lambda answers, classes: np.rint(answers[:, 0]),
}


def said(classes):
    """A transcript of one symbol: how many there are, and which."""
    return np.stack([np.ones_like(classes), classes + 1, 0 * classes], axis=1)


def heard(answers, classes):
    """The first symbol of the likeliest path; -1 where there is none."""
    best = answers.argmax(-1)
    first = (best > 0).argmax(axis=1)
    return best[np.arange(len(best)), first] - 1


SAID = {"labels": said, "decide": heard}
# A box for each class: left, top, right, bottom.
PLACES = np.array([[0, 0, 0.5, 0.5], [0.5, 0.5, 1, 1], [0.25, 0, 0.75, 1]])
# Each with what it is taught of three classes, and how it decides.
HEADS = {
    "category": (heads.Category(3), {}),
    "category-focal": (heads.Category(3, focal_gamma=2.0), {}),
    "categories": (
        heads.Categories(3),
        {"labels": lambda classes: np.eye(3, dtype="float32")[classes]},
    ),
    "number": (heads.Number(mean=1.0, std=0.8), SIZE),
    "number-huber": (heads.Number(mean=1.0, std=0.8, huber_delta=1.0), SIZE),
    "ordinal": (heads.Ordinal(3), {}),
    "sequence": (
        heads.Sequence(3, steps=4, modality="sound", units=8),
        {
            "labels": lambda classes: np.repeat(classes[:, None], 4, axis=1),
            "truth": lambda classes: classes[:, None],
        },
    ),
    # A label each of two, or none.
    "tags": (
        heads.Tags(classes=5, steps=4, modality="sound", units=8),
        {
            "labels": lambda classes: np.tile(
                (2 * classes - (classes > 0))[:, None], (1, 4)
            ).astype("int32"),
            "truth": lambda classes: classes[:, None],
            "decide": lambda answers, classes: (answers.argmax(-1) + 1) // 2,
        },
    ),
    "forecast": (
        heads.Forecast(2, 2, modality="sound", mean=(1.0, 1.0), std=(0.8, 0.8)),
        {
            "labels": lambda classes: np.tile(
                classes[:, None, None], (1, 2, 2)
            ).astype("float32"),
            "truth": lambda classes: classes[:, None, None],
            "decide": lambda answers, classes: np.rint(answers[..., 1]),
        },
    ),
    # The third class is what no training sample may be.
    "anomaly": (
        heads.Anomaly(("sound",), code=2),
        {
            "labels": lambda classes: (classes == 2).astype("int32"),
            "truth": lambda classes: classes == 2,
            "decide": lambda answers, classes: (
                answers[:, 0] > 3 * np.median(answers[classes < 2])
            ),
        },
    ),
    "transcript": (
        heads.Transcript(symbols=3, steps=4, modality="sound", units=8),
        SAID,
    ),
    "transcript-memory": (
        heads.Transcript(
            symbols=3,
            steps=8,
            modality="sound",
            units=8,
            memory=8,
            context=True,
        ),
        SAID,
    ),
    "boxes": (
        heads.Boxes(classes=3, modality="sound", levels=2, filters=8),
        {
            "labels": lambda classes: np.concatenate(
                [PLACES[classes], classes[:, None]], axis=1
            )[:, None].astype("float32"),
            "decide": lambda answers, classes: (
                answers[..., 8:].max(axis=1).argmax(-1)
            ),
        },
    ),
    "mask": (
        heads.Mask(
            size=(TOKENS, WIDTH), classes=2, modality="sound", filters=8
        ),
        {
            "labels": lambda classes: np.broadcast_to(
                classes[:, None, None], (len(classes), TOKENS, WIDTH)
            ).astype("uint8"),
            "decide": lambda answers, classes: answers.mean((1, 2)).argmax(-1),
        },
    ),
    "embedding": (heads.Embedding(6), {"decide": nearest}),
    "embedding-siglip": (
        heads.Embedding(6, objective="siglip"),
        {"decide": nearest},
    ),
}
WORDS = ("one", "two", "six")
CODES = [[*map(ord, word), 0] for word in WORDS]
HEADS["written-text"] = (
    heads.WrittenText("enosiwtx", 4, units=16, depth=2, heads=2),
    {
        "labels": lambda classes: np.array(CODES, "int32")[classes],
        # What is written is told by its first letter.
        "decide": lambda answers, classes: answers[:, 0, 0],
        "truth": lambda classes: np.array(CODES)[classes, 0],
        "by_layer": True,
    },
)
HEADS = {n: (head, Task(head.loss, **t)) for n, (head, t) in HEADS.items()}
# Millions of weights: minutes to train, even on a toy problem.
UNTRAINED = {"image-resnet18", "image-efficientnet"}
# The toy's sounds are noise, which only an average over all of it tells apart;
# attention to short stretches of it learns nothing.
PARTNERS = {
    "audio-wavenet-samples": "gated",
    "series-patch-transformer": "bottleneck",
}
# At the usual 12 it hangs on the order of the samples whether it has learned.
EPOCHS = {"audio-wavenet-samples": 20}
# Each tower, and so each fusion and each of their options, at least once.
PAIRS = [
    (tower, PARTNERS.get(tower, fused))
    for tower, fused in zip(
        TOWERS, itertools.cycle({**FUSIONS, **OPTIONS}), strict=False
    )
]
FUSIONS |= OPTIONS
# Clauses and formats that a part cannot keep, and why; see docs/limits.md.
EXCEPTIONS: dict[str, dict[str, str]] = {}  # none today
