"""The Rust crate's `events.rs`: how unread events merge."""

from __future__ import annotations

from contract_model import Contract

from sidecar.contract.method import TERMINAL, Merge

_HEADER = """\
//! How events merge. Generated from sidecar/contract by build/schema/generate.py; do not edit.

/// What becomes of an unread event when the next one comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Merge {
    /// It stays as it is.
    Keep,
    /// A newer one of its status right behind it replaces it.
    Progress,
    /// A newer one of its subject and key replaces it, and counts it in `dropped`. The key is a JSON pointer into the
    /// event; empty where there is one thing only.
    Newest(&'static str, &'static str),
    /// The text of the next one of its status is appended to its own, in this member.
    Text(&'static str),
    /// The member is a list; beyond so many items the oldest are dropped, and counted in `dropped`.
    Lines(&'static str, usize),
}
"""


def events_rs(contract: Contract) -> str:
    """`events.rs`."""
    terminal = " | ".join(f'"{status}"' for status in TERMINAL)
    lines = [
        _HEADER,
        "/// How events of a status merge; `None` for one that is newer than this crate.",
        "pub fn merge_of(status: &str) -> Option<Merge> {",
        "    Some(match status {",
        *(f'        "{status}" => Merge::{_rendered(merge)},' for status, merge in contract.merges.items()),
        "        _ => return None,",
        "    })",
        "}",
        "",
        "/// Whether an event of this status is the last one of its channel.",
        "pub fn is_terminal(status: &str) -> bool {",
        f"    matches!(status, {terminal})",
        "}",
    ]
    return "\n".join(lines) + "\n"


def _rendered(merge: Merge) -> str:
    match merge.policy:
        case "newest":
            return f'Newest("{merge.subject}", "{merge.key}")'
        case "text":
            return f'Text("{merge.member}")'
        case "lines":
            return f'Lines("{merge.member}", {merge.limit})'
        case _:
            return merge.policy.title()
