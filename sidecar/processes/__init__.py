"""Child processes: spawned, tagged, watched and ended, whatever they are for."""
