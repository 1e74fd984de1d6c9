"""Talking to an engine over its HTTP API."""
