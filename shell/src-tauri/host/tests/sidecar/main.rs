//! The library against real processes: sidecars from this tree with a fake engine, and a fake sidecar with faults.

mod bridging;
mod faults;
mod killing;
mod place;
mod talking;
