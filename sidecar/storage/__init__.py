"""What is kept on disk: the history database and the config file."""
