//! Links in answers: they open in the user's browser and never navigate the window away from its page.

use tauri::webview::NewWindowResponse;
use tauri::{Runtime, Url};

/// What a browser or a mail program opens. With other schemes a model's text could start any program.
const OPENED: [&str; 3] = ["http", "https", "mailto"];

/// Opens an address in its program, and no second window.
pub fn open<R: Runtime>(address: &Url) -> NewWindowResponse<R> {
    if OPENED.contains(&address.scheme())
        && let Err(error) = open::that_detached(address.as_str())
    {
        eprintln!("No program could open {}: {error}", address.scheme());
    }
    NewWindowResponse::Deny
}
