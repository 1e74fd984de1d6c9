"""The stores of other programs: their layouts. Their models are used in place, never copied, never written to.

One module for each program, with one function, `find(root, disk)`: the files in one of its folders (`sources` has the
table of these), with their metadata. The files are not trusted, so everything is read through a bounded `DiskScan`, and
unexpected content is reported as a problem of that source and skipped. The modules describe the layouts, and where they
are documented.
"""
