"""Finding model files: in our folder, in those of the config, and in the stores of other programs."""
