"""What the sidecar promises when things go wrong, tried with real kills, hostile input and full disks.

Each harness (`kill_matrix`, `fuzz`, `torture`, `slow_host`, `soak`) has a long form, run by the make target of its
name, which keeps its figures in `results/`, and a short form among the tests. `report` puts everything together.
"""
