//! The end of the app, however it comes: the sidecar is stopped once, before the process ends.
//!
//! When the app is killed, the library ends the sidecar.

use std::io;
use std::sync::Arc;

use tauri::{AppHandle, Manager, Runtime};

use llama_sidecar_host::Bridge;

/// Hides the windows, so that no unresponsive window is shown, and stops the sidecar. Safe to call twice.
pub fn end<R: Runtime>(app: &AppHandle<R>) {
    for window in app.webview_windows().values() {
        // The window may already be closed.
        let _ = window.hide();
    }
    if let Some(bridge) = app.try_state::<Arc<Bridge>>() {
        bridge.stop();
    }
}

/// Ends the app on the signals that a session or a terminal sends. Tauri handles none of them.
#[cfg(unix)]
pub fn on_signals<R: Runtime>(app: AppHandle<R>) -> io::Result<()> {
    use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

    let mut signals = signal_hook::iterator::Signals::new([SIGHUP, SIGINT, SIGTERM])?;
    std::thread::Builder::new().name("signals".into()).spawn(move || {
        if let Some(signal) = signals.forever().next() {
            // Not through the event loop, which may hang.
            if let Some(bridge) = app.try_state::<Arc<Bridge>>() {
                bridge.stop();
            }
            std::process::exit(128 + signal);
        }
    })?;
    Ok(())
}

/// Windows ends an app with a window message, which is an exit like any other. Untested.
#[cfg(not(unix))]
pub fn on_signals<R: Runtime>(_: AppHandle<R>) -> io::Result<()> {
    Ok(())
}
