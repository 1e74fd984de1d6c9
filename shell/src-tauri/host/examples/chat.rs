//! A host in a terminal: `chat MESSAGE PROGRAM [ARGUMENTS…]` starts this program as the sidecar, sends it the message
//! and prints the answer.

use std::io::Write;

use llama_sidecar_host::contract::{methods as m, types as t};
use llama_sidecar_host::{Program, Settings, Sidecar};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut words = std::env::args().skip(1);
    let message = words.next().ok_or("a message is missing")?;
    let path = words.next().ok_or("the sidecar's program is missing")?.into();
    let program = Program { path, arguments: words.map(Into::into).collect() };

    let sidecar = Sidecar::start(Settings::new(program, "chat", env!("CARGO_PKG_VERSION")))?;
    let client = sidecar.client();
    client.call::<m::StartLlamaServer>(t::StartLlamaServerParams::default())?;
    client.start::<m::SendMessage>(t::SendMessageParams::new(message))?.for_each(|event| {
        if let t::TurnEvent::Token(token) = event.event {
            print!("{}", token.chunk);
            // A closed stdout must not end the answer.
            let _ = std::io::stdout().flush();
        }
    })?;
    println!();
    sidecar.stop();
    Ok(())
}
