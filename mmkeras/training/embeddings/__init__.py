"""Outputs of frozen towers, kept on disk."""
