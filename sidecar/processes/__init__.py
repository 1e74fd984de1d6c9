"""Child processes: spawning, tagging, watching and ending them, whatever they are for."""
