"""Models on this machine: their GGUF headers, the list of them, and the choice of one to start."""
