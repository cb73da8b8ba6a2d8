"""Steps of a series: laid on an even grid, and resampled around gaps."""

import numpy as np

from mmkeras.data.files.reasons import BadSample, Reason

MAX_VALUES = 32_000_000


def resample(
    values: np.ndarray, rate_hz: float, wanted_hz: float
) -> np.ndarray:
    """Resamples `(steps, channels)`; gaps stay where and as long as they are.

    A step is a gap if more than half of what it stands for is one. For the
    filter alone, gaps are bridged by a line.

    Args:
        values: Steps at `rate_hz`, NaN in gaps.
        rate_hz: Steps a second.
        wanted_hz: Steps a second of the result.
    """
    if rate_hz == wanted_hz or not len(values):
        return values
    size = max(1, round(len(values) * wanted_hz / rate_hz))
    found = np.full((size, values.shape[1]), np.nan)
    ratio = rate_hz / wanted_hz
    centres, half = np.arange(size) * ratio, max(ratio, 1) / 2
    low = np.clip(np.ceil(centres - half), 0, len(values) - 1)
    high = np.clip(np.floor(centres + half) + 1, low + 1, len(values))
    low, high = low.astype(int), high.astype(int)
    for channel, column in enumerate(values.T):
        known = np.isfinite(column)
        if known.any():
            count = np.concatenate([[0], np.cumsum(known)])
            share = (count[high] - count[low]) / (high - low)
            filtered = _filter(column.astype(float), known, ratio, size)
            found[:, channel] = np.where(share >= 0.5, filtered, np.nan)
    return found


def _filter(
    column: np.ndarray, known: np.ndarray, ratio: float, size: int
) -> np.ndarray:
    import soxr

    places = np.arange(len(column))
    filled = np.interp(places, places[known], column[known])
    # The filter takes what lies beyond the ends for zero, which is far from
    # 80 mmHg; the rest above a line from end to end does start from zero.
    first, slope = filled[0], (filled[-1] - filled[0]) / max(1, places[-1])
    made = soxr.resample(filled - (first + slope * places), ratio, 1.0)
    made = np.pad(made[:size], (0, max(0, size - len(made))))
    return made + first + slope * ratio * np.arange(size)


def on_grid(
    times: np.ndarray, values: np.ndarray, name: str
) -> tuple[np.ndarray, float]:
    """Lays rows on an even grid, each step the nearest row.

    The rate is that of the rows where none is missing; a step without a row
    within three quarters of its length is a gap.

    Args:
        times: `(rows,)` seconds, increasing.
        values: `(rows, channels)`.
        name: The file, for messages.

    Returns:
        `(steps, channels)` with NaN in gaps, and the rate in Hz.
    """
    between = np.diff(times)
    rising = np.isfinite(times).all() and (between > 0).all()
    if len(times) < 2 or not rising:
        raise BadSample(
            Reason.CORRUPT, f"{name!r}: the time column does not increase"
        )
    step = between[between < 1.5 * np.median(between)].mean()
    steps = (times[-1] - times[0]) / step
    check_size(steps * values.shape[1], name)
    grid = times[0] + step * np.arange(round(steps) + 1)
    right = np.clip(np.searchsorted(times, grid), 1, len(times) - 1)
    before = grid - times[right - 1] <= times[right] - grid
    nearest = np.where(before, right - 1, right)
    found = values[nearest]
    found[np.abs(times[nearest] - grid) > 0.75 * step] = np.nan
    return found, 1 / step


def check_size(values: float, name: str) -> None:
    """Raises BadSample if a file has no value or too many of them."""
    if not 0 < values <= MAX_VALUES:
        reason = Reason.TOO_LARGE if values > 0 else Reason.EMPTY
        raise BadSample(
            reason, f"{name!r}: {values:,.0f} values, at most {MAX_VALUES:,}"
        )
