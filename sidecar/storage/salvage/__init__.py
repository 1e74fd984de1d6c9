"""The rescue of a damaged history.

**Decision: rescue from the broken pages, no rolling snapshots.** What counts is what a person loses. A history that is
found damaged (a disk's fault, another program's write, a file cut short) has lost some pages; the rows on all other
pages are intact, the newest included.

- The rescue loses the rows that stood in the damaged pages, usually a few messages of one session, and nothing that was
  written since some backup. It costs nothing until it is needed, and works for histories that are encrypted.
- A snapshot (SQLite's backup interface, once an hour or a day) loses all that was said since it was taken, hours of the
  newest conversations, and gives back what somebody has deleted since. It copies pages as they are: damage that no
  query has met yet is in all its generations when it is noticed. A history of 1 GB takes 2 GB on the disk then, and
  each snapshot reads and writes 1 GB on the one connection that may have the file open, while messages wait.
- A snapshot wins where the whole file is gone. That is a backup's task, on another disk, and a copy of `history.db`
  beside a closed sidecar is one.

So the price is code: `pages` reads SQLite's file format, `rescue` saves the rows, `recovery` owns names and order.
"""
