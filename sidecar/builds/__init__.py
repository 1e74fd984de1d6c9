"""Managed llama.cpp builds: from a release archive to an engine that has proved itself."""
