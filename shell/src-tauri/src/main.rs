//! The desktop app: one window with the page, and the sidecar beside it.
//!
//! The library in `host` runs the sidecar. This crate adds the window: `commands` are the page's requests, `ending`
//! handles every way the app can end, `links` opens links outside the window.

#![cfg_attr(not(debug_assertions), windows_subsystem = "windows")]

mod commands;
mod ending;
mod links;

use std::error::Error;
use std::sync::Arc;

use llama_sidecar_host::{Bridge, Program, Settings, Sidecar};
use tauri::webview::{PageLoadEvent, WebviewWindowBuilder};
use tauri::{App, AppHandle, Manager, RunEvent, Runtime};

/// Names another sidecar than the bundled one, as a JSON list of arguments: `["python", "-m", "sidecar"]`.
const COMMAND: &str = "LLAMA_SIDECAR_APP_COMMAND";

fn main() {
    let app = tauri::Builder::default()
        // First, so that a second start does nothing else.
        .plugin(tauri_plugin_single_instance::init(|app, _, _| show_window(app)))
        .setup(set_up)
        .invoke_handler(commands::handle)
        .on_page_load(|webview, page| {
            if page.event() == PageLoadEvent::Started
                && let Some(bridge) = webview.try_state::<Arc<Bridge>>()
            {
                bridge.page_has_left();
            }
        })
        .build(tauri::generate_context!())
        .expect("the app can be built");
    app.run(|app, event| {
        // The only event that comes however a window is closed or the app is quit.
        if let RunEvent::Exit = event {
            ending::end(app);
        }
    });
}

fn set_up<R: Runtime>(app: &mut App<R>) -> Result<(), Box<dyn Error>> {
    let program = program(app)?;
    let mut settings = Settings::new(program, "llama-sidecar app", env!("CARGO_PKG_VERSION"));
    settings.on_log = Arc::new(|line| eprintln!("{line}"));
    app.manage(Arc::new(Bridge::new(Sidecar::start(settings)?)));
    ending::on_signals(app.handle().clone())?;
    // The window comes last: its page sends requests immediately.
    for window in app.config().app.windows.clone() {
        WebviewWindowBuilder::from_config(app.handle(), &window)?
            .on_new_window(|address, _| links::open(&address))
            .build()?;
    }
    Ok(())
}

fn program<R: Runtime>(app: &App<R>) -> Result<Program, Box<dyn Error>> {
    if let Ok(command) = std::env::var(COMMAND) {
        let mut words: Vec<String> = serde_json::from_str(&command)?;
        if words.is_empty() {
            return Err(format!("{COMMAND} names no program").into());
        }
        let path = words.remove(0).into();
        return Ok(Program { path, arguments: words.into_iter().map(Into::into).collect() });
    }
    let resources = app.path().resource_dir().ok();
    // Else the one on PATH. If there is none, the page shows the error, which is better than no window.
    Ok(Program::find(None, resources.as_deref()).unwrap_or_else(|| Program::at("llama-sidecar")))
}

fn show_window<R: Runtime>(app: &AppHandle<R>) {
    for window in app.webview_windows().values() {
        // A window that cannot be shown is closing.
        let _ = window.unminimize().and_then(|()| window.show()).and_then(|()| window.set_focus());
    }
}
