"""Labels that are steps of a series: as large as it became, or mixed."""

from typing import Any


def move(
    forecast: Any, labels: Any, weights: Any, moves: Any
) -> tuple[Any, Any]:
    """Makes steps as much larger, about the same value, as those before."""
    import tensorflow as tf

    for gain, about in moves.gains:
        gain = tf.gather(gain, forecast.places, axis=2)
        about = tf.gather(about, forecast.places, axis=2)
        labels = about + gain * (labels - about)
    return labels, weights


def mix(forecast: Any, labels: Any, other: Any, share: Any) -> Any:
    share = share[:, None, None]
    return share * labels + (1 - share) * other
