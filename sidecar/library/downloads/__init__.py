"""Downloads: files on their way to this machine, and what survives of them whatever happens."""
