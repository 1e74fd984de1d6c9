"""How many modules of the program three journeys enter, and how often they go from one to another."""
