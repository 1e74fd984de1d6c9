"""Handlers, where they do more than call a service."""
