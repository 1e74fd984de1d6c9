"""The kinds of engines, one file each: how an engine is found, and which command runs it."""
