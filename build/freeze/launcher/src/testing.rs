//! What the tests share: a small payload, packed as `pack.py` does it, and folders that go with the test.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

pub const FILES: &[(&str, &str)] = &[
    ("program", "#!/bin/sh\nexit 7\n"),
    ("below/one.txt", "a file that is longer than a chunk, and then some more of it"),
    ("below/empty", ""),
    ("below/deeper/two.txt", "2"),
    ("last", "end"),
];

const CHUNK: usize = 16;

pub fn packed(folder: &str, files: &[(&str, &str)]) -> Vec<u8> {
    let mut index = format!("llama-sidecar payload 1\nfolder {folder}\nprogram program\n");
    for (path, content) in files {
        let mode = if *path == "program" { "x" } else { "-" };
        index += &format!("file {mode} {} {path}\n", content.len());
    }
    let all: String = files.iter().map(|(_, content)| *content).collect();
    let mut frames = Vec::new();
    for chunk in all.as_bytes().chunks(CHUNK) {
        let mut context = zstd_safe::CCtx::create();
        context.set_parameter(zstd_safe::CParameter::ChecksumFlag(true)).unwrap();
        let mut frame = Vec::with_capacity(zstd_safe::compress_bound(chunk.len()));
        context.compress2(&mut frame, chunk).unwrap();
        index += &format!("chunk {} {}\n", frame.len(), chunk.len());
        frames.extend(frame);
    }
    [index.as_bytes(), b"\n", &frames].concat()
}

pub fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let mut found: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    found.sort();
    found
}

/// An empty folder that is removed with all that is in it.
pub struct Folder(PathBuf);

impl Folder {
    pub fn new() -> Self {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("launcher-test-{}-{number}", std::process::id()));
        fs::create_dir(&path).unwrap();
        Folder(path)
    }

    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).unwrap();
    }
}
