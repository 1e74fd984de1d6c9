"""Models on this machine: what a GGUF file says of itself, which files there are, which one to start."""
