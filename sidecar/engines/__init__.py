"""Engines: child processes that run a model and speak the OpenAI HTTP API, one file for each kind."""
