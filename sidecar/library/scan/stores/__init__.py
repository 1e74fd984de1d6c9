"""How other programs lay out their models, which are found where they lie, never copied, never written to.

One module a program, each with one function, `find(root, disk)`: the files in one of its folders (`sources` has the
table of these), and what the program says of each. What they read was written by others, so everything is read through
a `DiskScan`: bounded, and what does not fit is reported as a problem of that source and left out. The layouts are
described in the modules, with their sources.
"""
