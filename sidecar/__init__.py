"""llama-sidecar: local language models for desktop apps, over line-delimited JSON-RPC."""

__version__ = "0.1.0"
