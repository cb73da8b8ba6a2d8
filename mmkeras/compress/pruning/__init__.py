"""Weights that become zero, or few distinct values."""
