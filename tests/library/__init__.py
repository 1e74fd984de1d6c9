"""Tests of the models layer, and the writer of GGUF files that other tests use, too."""
