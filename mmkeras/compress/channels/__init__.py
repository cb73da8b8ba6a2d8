"""Channels, units and heads removed for good."""
