"""Towers that are trained to agree with each other."""
