"""Downloads of models and archives, which resume after any interruption."""
