"""Steps of a series: laid on an even grid, and resampled around gaps."""

import numpy as np

from mmkeras.data.files.memory import check_memory
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
    times: np.ndarray,
    values: np.ndarray,
    name: str,
    wanted_hz: float | None = None,
) -> tuple[np.ndarray, float, dict[str, int]]:
    """Lays rows on an even grid, as fine as they are.

    Of rows that are evenly apart, a step is the nearest row; the rate is that
    of those where none is missing. Rows of several rates are joined by lines.
    A gap is where two rows are further apart than one and a half steps, of the
    grid or of what is wanted, whichever is longer: who wants 5 steps a second
    misses nothing where the file has no more.

    Args:
        times: `(rows,)` seconds, increasing.
        values: `(rows, channels)`.
        name: The file, for messages.
        wanted_hz: Steps a second that it will be resampled to.

    Returns:
        `(steps, channels)` with NaN in gaps; the rate in Hz; how many steps
        were filled in between rows, counted.
    """
    between = np.diff(times)
    usual, fast = np.median(between), np.quantile(between, 0.1)
    alike = between[(between > 0.6 * usual) & (between < 1.5 * usual)]
    is_even = fast > 0.6 * usual
    step = alike.mean() if is_even else fast
    steps = (times[-1] - times[0]) / step
    check_size(steps * values.shape[1], name)
    grid = times[0] + step * np.arange(round(steps) + 1)
    right = np.clip(np.searchsorted(times, grid), 1, len(times) - 1)
    before, after = grid - times[right - 1], times[right] - grid
    near = np.minimum(np.abs(before), np.abs(after)) <= 0.75 * step
    # A little more, for what is lost in the last digit of a time.
    limit = 1.5001 * max(step, 1 / wanted_hz if wanted_hz else 0)
    joined = before + after <= limit
    joined &= ~near if is_even else True
    found = values[np.where(before <= after, right - 1, right)].astype(float)
    found[~(near | joined)] = np.nan
    part = np.clip(before / (before + after), 0, 1)[joined, None]
    left, right = values[right - 1][joined], values[right][joined]
    with np.errstate(invalid="ignore"):
        line = (1 - part) * left + part * right
    # Where a row is met, a gap on its other side does not matter.
    line = np.where(part <= 1e-6, left, np.where(part >= 1 - 1e-6, right, line))
    found[joined] = line
    if wanted_hz and step < 1 / wanted_hz:
        # The last row stands for as long as the one before it did.
        more = max(0, round(min(between[-1], limit) / step) - 1)
        found = np.pad(found, ((0, more), (0, 0)), constant_values=np.nan)
    filled = int((joined & ~near).sum())
    return found, 1 / step, {"steps_filled_in": filled} if filled else {}


def check_size(values: float, name: str) -> None:
    """Raises BadSample if a file has no value or too many of them."""
    if not 0 < values <= MAX_VALUES:
        reason = Reason.TOO_LARGE if values > 0 else Reason.EMPTY
        raise BadSample(
            reason, f"{name!r}: {values:,.0f} values, at most {MAX_VALUES:,}"
        )
    check_memory(8 * values, repr(name))
