"""The desktop app's real window, driven by WebKit's driver on a display of its own. `make test-desktop` runs it."""
