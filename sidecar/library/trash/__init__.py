"""Deleted models: kept for a while, and restored."""
