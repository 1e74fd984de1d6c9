"""Which model files there are: in our folder, in those of the config, and in what other programs keep."""
