"""The machine: folders, processes, hardware. Differences between operating systems end here."""
