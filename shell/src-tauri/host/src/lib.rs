//! Starts llama-sidecar beside an app, keeps it running, speaks to it, and leaves no process behind.
//!
//! ```no_run
//! use llama_sidecar_contract::{methods::SendMessage, types};
//! use llama_sidecar_host::{Program, Settings, Sidecar};
//!
//! let program = Program::find(None, None).expect("it is bundled with the app");
//! let sidecar = Sidecar::start(Settings::new(program, "my app", "1.0"))?;
//! let answer = sidecar.client().start::<SendMessage>(types::SendMessageParams::new("Hello"))?;
//! let whole = answer.for_each(|event| {
//!     if let types::TurnEvent::Token(token) = event.event {
//!         print!("{}", token.chunk);
//!     }
//! })?;
//! println!("\n{} tokens", whole.usage.completion_tokens);
//! sidecar.stop();
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Lifetime
//!
//! The sidecar ends with its host, however that ends. An orderly [`Sidecar::stop`] asks it to, closes its stdin, and kills
//! its process group after 5 s. Of a host that is killed nothing is asked: the pipe closes, the kernel kills the sidecar
//! (Linux: `PR_SET_PDEATHSIG`; Windows: a job object), and the sidecar watches its host's process id where neither is to be
//! had. A sidecar that ends is started again after 1, 2, 5, 5 and 5 s, one that does not answer for 30 s is killed first;
//! after that [`State::Failed`] says why. Its requests all fail with one [`Failure::Ended`], but an answer that had begun
//! is gone on with by `resume_session`.
//!
//! # Threads, and no runtime
//!
//! One thread supervises, and for each sidecar one writes, one reads and one takes its log. The kernel binds a child to
//! a *thread*, so there has to be one that lasts, which the workers of an async runtime do not promise; clean-up at the
//! end of an app has to happen before the last callback returns, where no runtime runs futures any more; and a Tauri
//! command that blocks has `spawn_blocking`. What is left for an executor is to wait for a pipe, which a thread does as
//! well.
//!
//! Linux is tried; the parts for macOS and Windows are untested.
//!
//! # Where things are
//!
//! `program` finds what to start, `system` starts and kills it, `threads` are at its pipes, `lines` and `queue` what they
//! need; `supervisor` keeps it running with `backoff`; `client` asks, `desk` and `exchange` know what is under way,
//! `shared` joins the two sides. For apps with a page: `page` says what it may ask, `unread` merges what it is told,
//! `pacing` makes messages of that, `relay` sends them, `bridge` knows what a page has under way.

mod backoff;
mod bridge;
mod client;
mod desk;
mod exchange;
mod failure;
mod lines;
mod pacing;
pub mod page;
mod program;
mod queue;
mod relay;
mod settings;
mod shared;
mod sidecar;
mod supervisor;
mod system;
mod threads;
mod unread;

pub use backoff::Backoff;
pub use bridge::{Asked, Bridge};
pub use client::{Call, Client, Event, Progress, QUICK, Request, default_deadline};
pub use failure::Failure;
pub use llama_sidecar_contract as contract;
pub use pacing::{Message, Pacer};
pub use program::Program;
pub use relay::Relay;
pub use settings::Settings;
pub use shared::{Cause, State};
pub use sidecar::Sidecar;
pub use unread::Merged;
