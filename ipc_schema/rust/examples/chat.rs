use llama_sidecar_contract::{methods as m, types as t, Request, SidecarMessage};
use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut command = Command::new("llama-sidecar");
    let mut sidecar = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    let mut stdin = sidecar.stdin.take().expect("piped");
    let start = Request::new::<m::StartLlamaServer>(1, t::StartLlamaServerParams::default());
    let channel = Some("answer".into());
    let ask = t::SendMessageParams {
        channel,
        ..t::SendMessageParams::new("What is a llama?")
    };
    stdin.write_all(start.to_line().as_bytes())?;
    for line in BufReader::new(sidecar.stdout.take().expect("piped")).split(b'\n') {
        match SidecarMessage::from_line(&line?)? {
            SidecarMessage::Response(started) if started.id == 1.into() => {
                let request = Request::new::<m::SendMessage>(2, ask.clone());
                stdin.write_all(request.to_line().as_bytes())?;
            }
            SidecarMessage::Channel(event) => {
                if let t::TurnEvent::Token(token) = event.params.event::<m::SendMessage>()? {
                    print!("{}", token.chunk);
                }
            }
            SidecarMessage::Response(_) => break,
            SidecarMessage::Error(error) => return Err(error.error.into()),
        }
    }
    Ok(()) // dropping stdin ends the sidecar
}
