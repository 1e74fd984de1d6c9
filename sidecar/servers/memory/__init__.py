"""Whether a model fits: what a start takes of each memory, what is there, and what to change where it is too much."""
