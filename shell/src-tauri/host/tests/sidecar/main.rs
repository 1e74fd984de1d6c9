//! The library with real processes: sidecars from this tree with a fake engine, and a fake sidecar with faults.

mod bridging;
mod conversations;
mod faults;
mod killing;
mod place;
