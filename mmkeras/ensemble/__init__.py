"""Ensembles: several models as one, or the mean of their weights."""

from mmkeras.ensemble.given import average, soup, stack
from mmkeras.ensemble.joined import join
from mmkeras.ensemble.mixing import greedy_soup
from mmkeras.ensemble.trained import bag, boost
from mmkeras.ensemble.trainer import Trainer
from mmkeras.ensemble.weighting import bootstrap, reweighted

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
