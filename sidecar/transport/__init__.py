"""Bytes to messages and back: framing, what waits to be written, and the stdio connection."""
