"""Whether a model fits: the memory that a start uses on each device, what is free, and which settings to lower."""
