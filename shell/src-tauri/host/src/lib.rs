//! Starts llama-sidecar beside an app, keeps it running, sends it requests, and leaves no process behind.
//!
//! ```no_run
//! use llama_sidecar_contract::{methods::SendMessage, types};
//! use llama_sidecar_host::{Program, Settings, Sidecar};
//!
//! let program = Program::find(None, None).ok_or("llama-sidecar is not beside this app")?;
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
//! The sidecar ends with its host, however the host ends. [`Sidecar::stop`] requests a shutdown, closes the sidecar's
//! stdin, and kills its process group after 5 s. A host that is killed can do nothing: its pipe closes, the kernel
//! kills the sidecar (Linux: `PR_SET_PDEATHSIG`; Windows: a job object), and on other systems the sidecar watches the
//! host's process id. A sidecar that ends is restarted after 1, 2, 5, 5 and 5 s; one that does not answer for 30 s is
//! killed first. When the retry budget is used up, [`State::Failed`] has the cause. All requests to a sidecar that
//! ended fail with the same [`Failure::Ended`], except answers that had begun: `resume_session` continues them.
//!
//! # Threads, and no runtime
//!
//! One thread supervises; each sidecar has a thread for its stdin, one for its stdout and one for its log. Linux binds
//! a child to the *thread* that started it, so that thread must live as long as the app, which the workers of an async
//! runtime do not promise. Clean-up at the end of an app must finish before the last callback returns, when no runtime
//! polls futures any more. A Tauri command that blocks has `spawn_blocking`. All that an executor could do here is wait
//! for a pipe, which a thread does as well.
//!
//! Tested on Linux; the code for macOS and Windows is untested.
//!
//! # Modules
//!
//! `program` finds the executable, `system` starts and kills it, `threads` serve its pipes with `lines` and `queue`,
//! and `supervisor` keeps it running with `backoff`. `client` sends requests, `in_flight` and `exchange` hold those
//! under way, `shared` connects the two sides. For apps with a page: `page` has the methods it may call, `unread`
//! merges its events, `pacing` packs them into messages, `relay` sends them, `bridge` owns the page's requests under
//! way.

mod backoff;
mod bridge;
mod client;
mod exchange;
mod failure;
mod in_flight;
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
pub use bridge::{Bridge, PageRequest};
pub use client::{Call, Client, DEFAULT_DEADLINE, Event, Progress, Request, default_deadline};
pub use failure::Failure;
pub use llama_sidecar_contract as contract;
pub use pacing::{Message, Pacer};
pub use program::Program;
pub use relay::Relay;
pub use settings::Settings;
pub use shared::{Cause, State};
pub use sidecar::Sidecar;
pub use unread::Merged;
