//! Unpacks the frozen program into a private folder of the user's, once a version, and becomes it.
//!
//! There is one process and one pid from the start to the end: nothing has to be cleaned up after a kill, at whatever
//! moment it comes. `places` says where the folder may be, `folder` how it comes to be whole and how it goes, `unpack`
//! how it is filled, `payload` what with; `system` is the only module that knows operating systems.

mod folder;
mod payload;
mod places;
mod system;
mod unpack;

use std::fmt;
use std::process::ExitCode;

use payload::Payload;

/// Why the program could not be started.
#[derive(Debug)]
pub enum Problem {
    /// The file is not what was built.
    Damaged(String),
    /// No place would do; each with its reason.
    NoPlace { needed: u64, tried: Vec<String> },
}

impl Problem {
    /// As in sysexits.h: "internal software error", and "can't create output file".
    pub fn exit_code(&self) -> u8 {
        match self {
            Problem::Damaged(_) => 70,
            Problem::NoPlace { .. } => 73,
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Problem::Damaged(what) => {
                writeln!(f, "this file is damaged: {what}.")?;
                write!(f, "  Download or copy it again.")
            }
            Problem::NoPlace { needed, tried } => {
                writeln!(f, "the program could not be unpacked; no folder would do for it.")?;
                for reason in tried {
                    writeln!(f, "  {reason}")?;
                }
                let megabytes = needed.div_ceil(1_000_000);
                write!(
                    f,
                    "  Make {megabytes} MB of room in one of these, or set {} to a folder of your own on a disk that \
                     programs may be run from.",
                    places::VARIABLE
                )
            }
        }
    }
}

/// Becomes the program that the payload holds. Comes back only on Windows, which has no exec, and with a problem.
pub fn launch(payload: &[u8]) -> Result<ExitCode, Problem> {
    let payload = Payload::parse(payload).map_err(Problem::Damaged)?;
    let mut tried = Vec::new();
    for base in places::here() {
        let reason = match folder::ready(&base, &payload) {
            Ok(ready) => match system::become_program(&ready.program, ready.lock) {
                Ok(code) => return Ok(code),
                Err(error) => format!("it cannot be run from there ({error})"),
            },
            Err(folder::Refusal::Damaged(what)) => return Err(Problem::Damaged(what)),
            Err(refusal) => refusal.to_string(),
        };
        tried.push(format!("{}: {reason}", base.display()));
    }
    Err(Problem::NoPlace { needed: payload.size(), tried })
}

#[cfg(test)]
mod testing;
