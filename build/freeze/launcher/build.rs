//! Puts the payload where the program includes it: the file that LLAMA_SIDECAR_PAYLOAD names, or nothing.

use std::{env, fs, path::Path};

const VARIABLE: &str = "LLAMA_SIDECAR_PAYLOAD";

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-env-changed={VARIABLE}");
    let payload = match env::var_os(VARIABLE) {
        Some(file) => {
            println!("cargo:rerun-if-changed={}", Path::new(&file).display());
            fs::read(&file).expect("the payload can be read")
        }
        None => Vec::new(),
    };
    let out = env::var_os("OUT_DIR").expect("cargo sets it");
    fs::write(Path::new(&out).join("payload"), payload).expect("the payload can be written");
}
