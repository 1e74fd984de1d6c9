"""The engines there are, one file each: how each is found and which command runs it."""
