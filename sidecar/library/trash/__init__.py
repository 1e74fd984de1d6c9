"""Deleted models, which can be restored for a while."""
