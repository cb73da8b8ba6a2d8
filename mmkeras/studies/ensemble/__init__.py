"""Ensembles: several models as one, or the mean of their weights."""

from mmkeras.studies.ensemble.bagging_boosting import bag, boost
from mmkeras.studies.ensemble.combined_model import join
from mmkeras.studies.ensemble.existing_runs import average, soup, stack
from mmkeras.studies.ensemble.sample_weights import bootstrap, reweighted
from mmkeras.studies.ensemble.trainer import Trainer
from mmkeras.studies.ensemble.weight_averaging import greedy_soup

__all__ = [
    "Trainer",
    "average",
    "bag",
    "boost",
    "bootstrap",
    "greedy_soup",
    "join",
    "reweighted",
    "soup",
    "stack",
]
