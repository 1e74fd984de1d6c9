//! The end of the app, whichever way it comes: the sidecar is stopped before the process ends, once.
//!
//! Of a kill nothing is asked; the library has bound the sidecar to us.

use std::io;
use std::sync::Arc;

use tauri::{AppHandle, Manager, Runtime};

use llama_sidecar_host::Bridge;

/// Hides the windows, so that nobody looks at an app that does not answer, and stops the sidecar. Safe twice.
pub fn end<R: Runtime>(app: &AppHandle<R>) {
    for window in app.webview_windows().values() {
        // It may have gone already.
        let _ = window.hide();
    }
    if let Some(bridge) = app.try_state::<Arc<Bridge>>() {
        bridge.stop();
    }
}

/// Has the app end on the signals by which a session or a terminal ends it. Tauri itself hears none of them.
#[cfg(unix)]
pub fn on_signals<R: Runtime>(app: AppHandle<R>) -> io::Result<()> {
    use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

    let mut signals = signal_hook::iterator::Signals::new([SIGHUP, SIGINT, SIGTERM])?;
    std::thread::Builder::new().name("signals".into()).spawn(move || {
        if let Some(signal) = signals.forever().next() {
            // Not through the event loop: it may be what hangs.
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
