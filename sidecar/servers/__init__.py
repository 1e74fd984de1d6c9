"""Servers: engines with a model under an id that a host chose; planned, started, evicted and stopped."""
