"""Parsing of an engine's output: state lines, and the relevant log lines."""
