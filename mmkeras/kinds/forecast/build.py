"""The head for the next steps of a series."""

from mmkeras import heads

OPTIONS = heads.ForecastOptions


def head(forecast, facts, options):
    channels = len(forecast.channels)
    mean = facts.get("mean", [0.0] * channels)
    std = facts.get("std", [1.0] * channels)
    return heads.Forecast(
        steps=forecast.steps,
        channels=channels,
        modality=forecast.modality,
        places=forecast.places,
        quantiles=tuple(forecast.quantiles),
        mean=tuple(mean),
        # A constant has no deviation to divide by.
        std=tuple(each or 1.0 for each in std),
        weight=forecast.weight,
        **options.arguments(),
    )
