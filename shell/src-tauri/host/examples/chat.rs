//! A host in a terminal: `chat [MESSAGE [PROGRAM [ARGUMENTS…]]]` prints the answer of a model that the sidecar runs.

use std::io::Write;

use llama_sidecar_host::contract::{methods as m, types as t};
use llama_sidecar_host::{Program, Settings, Sidecar};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut words = std::env::args().skip(1);
    let message = words.next().unwrap_or("What is a llama?".into());
    // On PATH. A bundled app finds its own: Program::find(None, Some(&resource_folder)).
    let path = words.next().unwrap_or("llama-sidecar".into()).into();
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
