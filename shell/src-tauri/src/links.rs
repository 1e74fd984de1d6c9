//! Links of answers: they are for the person's own browser, and never lead the window away from its page.

use tauri::webview::NewWindowResponse;
use tauri::{Runtime, Url};

/// What a browser or a mail program opens. Other schemes could start any program, at the word of a model.
const OPENED: [&str; 3] = ["http", "https", "mailto"];

/// Opens an address elsewhere; there is no second window.
pub fn open<R: Runtime>(address: &Url) -> NewWindowResponse<R> {
    if OPENED.contains(&address.scheme())
        && let Err(error) = open::that_detached(address.as_str())
    {
        eprintln!("No program opens {}: {error}", address.scheme());
    }
    NewWindowResponse::Deny
}
