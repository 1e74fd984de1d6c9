"""Jobs: durable work with a state, progress and events. Downloads, installs and imports are built on it."""
