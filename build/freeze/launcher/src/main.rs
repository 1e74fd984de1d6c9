//! The program in one file. All it has of its own is the payload; what is done with it is in the library.

use std::process::ExitCode;

static PAYLOAD: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/payload"));

fn main() -> ExitCode {
    match launcher::launch(PAYLOAD) {
        Ok(code) => code,
        Err(problem) => {
            eprintln!("llama-sidecar: {problem}");
            ExitCode::from(problem.exit_code())
        }
    }
}
