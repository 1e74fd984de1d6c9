"""Changes of the config, with what has to be done for them."""
