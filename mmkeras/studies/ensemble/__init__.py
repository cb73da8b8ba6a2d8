"""Ensembles: several models as one, or the mean of their weights."""

from mmkeras.studies.ensemble.given import average, soup, stack
from mmkeras.studies.ensemble.joined import join
from mmkeras.studies.ensemble.mixing import greedy_soup
from mmkeras.studies.ensemble.trained import bag, boost
from mmkeras.studies.ensemble.trainer import Trainer
from mmkeras.studies.ensemble.weighting import bootstrap, reweighted

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
