"""Rendering: a conversation as the model at hand takes it."""
