//! What Tauri wants to know when it is compiled.

fn main() {
    tauri_build::build();
}
