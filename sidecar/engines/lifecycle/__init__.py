"""One run of an engine: from its command over readiness to its end, and why it ended."""
