"""Changes of the config, and their effects."""
