"""The machine: folders, processes, hardware. Hides differences between operating systems."""
