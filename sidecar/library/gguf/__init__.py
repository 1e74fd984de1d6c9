"""GGUF headers, read in pure Python from untrusted files."""
