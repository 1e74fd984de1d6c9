"""The salvage of a damaged history.

**Decision: salvage rows from the damaged file, no rolling snapshots.** What counts is what a person loses. A damaged
history (a faulty disk, another program's write, a truncated file) has lost some pages; the rows on all other pages are
intact, the newest included.

- Salvage loses the rows in the damaged pages, usually a few messages of one session, and nothing that was written since
  some backup. It costs nothing until it is needed, and works for encrypted histories.
- A snapshot (SQLite's backup interface, once an hour or a day) loses all that was said since it was taken, hours of the
  newest conversations, and restores what was deleted since. It copies pages as they are, so damage that no query has
  met is in every generation by the time it is noticed. A history of 1 GB then takes 2 GB on disk, and each snapshot
  reads and writes 1 GB on the one connection that may have the file open, while messages wait.
- A snapshot wins where the whole file is gone. That is the task of a backup on another disk; a copy of `history.db`
  made while the sidecar is closed is one.

The price is code: `pages` reads SQLite's file format, `rescue` saves the rows, `recovery` owns names and order.
"""
