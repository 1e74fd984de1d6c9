"""Logs of the sidecar and its engines: lines in memory for hosts, rotating files for later."""
