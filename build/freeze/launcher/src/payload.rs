//! What the launcher carries: an index in plain text, an empty line, and zstd frames.
//!
//! ```text
//! llama-sidecar payload 1
//! folder 0.1.0-5f0c…          where it is unpacked: version and hash
//! program llama-sidecar       what is run
//! file x 5432248 llama-sidecar
//! file - 1439819 _internal/base_library.zip
//! chunk 1203374 4194304       bytes in the frame, bytes in the files
//! ```
//!
//! The files stand one after the other and are cut into chunks of one size, so that many can be unpacked in parallel.
//! `pack.py` writes it.

use std::collections::HashSet;
use std::path::{Component, Path};

const FIRST_LINE: &str = "llama-sidecar payload 1";

/// A file of the program.
#[derive(Debug, PartialEq)]
pub struct File<'a> {
    /// Relative, with slashes.
    pub path: &'a str,
    pub size: u64,
    pub executable: bool,
    /// Where it begins in all files taken together.
    pub begin: u64,
}

/// A part of all files taken together.
#[derive(Debug, PartialEq)]
pub struct Chunk<'a> {
    pub frame: &'a [u8],
    pub begin: u64,
    pub size: usize,
}

#[derive(Debug)]
pub struct Payload<'a> {
    pub folder: &'a str,
    pub program: &'a str,
    pub files: Vec<File<'a>>,
    pub chunks: Vec<Chunk<'a>>,
}

impl<'a> Payload<'a> {
    /// Takes the index apart. What it says is believed only where it fits together.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, String> {
        let end = bytes.windows(2).position(|two| two == b"\n\n").ok_or("there is no program in it")?;
        let index = std::str::from_utf8(&bytes[..end]).map_err(|_| "its index is no text")?;
        let mut frames = &bytes[end + 2..];
        let mut lines = index.lines();
        if lines.next() != Some(FIRST_LINE) {
            return Err("its index is of another kind".into());
        }
        let (mut folder, mut program, mut files, mut chunks) = ("", "", Vec::new(), Vec::new());
        let (mut in_files, mut in_chunks) = (0, 0);
        for line in lines {
            let bad = || format!("its index has the line {line:?}");
            let (kind, rest) = line.split_once(' ').ok_or_else(bad)?;
            match kind {
                "folder" => folder = rest,
                "program" => program = rest,
                "file" => {
                    let (mode, rest) = rest.split_once(' ').ok_or_else(bad)?;
                    let (size, path) = rest.split_once(' ').ok_or_else(bad)?;
                    let size = size.parse().map_err(|_| bad())?;
                    files.push(File { path, size, executable: mode == "x", begin: in_files });
                    in_files += size;
                }
                "chunk" => {
                    let (packed, size) = rest.split_once(' ').ok_or_else(bad)?;
                    let packed = packed.parse().map_err(|_| bad())?;
                    let size = size.parse().map_err(|_| bad())?;
                    let (frame, others) = frames.split_at_checked(packed).ok_or("its end is missing")?;
                    chunks.push(Chunk { frame, begin: in_chunks, size });
                    in_chunks += size as u64;
                    frames = others;
                }
                _ => return Err(bad()),
            }
        }
        let payload = Payload { folder, program, files, chunks };
        if !is_name(folder) || payload.files.iter().any(|file| !is_below(file.path)) {
            return Err("its index names places outside of its folder".into());
        }
        let paths: HashSet<_> = payload.files.iter().map(|file| file.path).collect();
        if in_files != in_chunks || !frames.is_empty() || paths.len() != payload.files.len() {
            return Err("its index does not fit its content".into());
        }
        if !paths.contains(program) {
            return Err("the program is not among its files".into());
        }
        Ok(payload)
    }

    /// Bytes of all files.
    pub fn size(&self) -> u64 {
        self.files.iter().map(|file| file.size).sum()
    }
}

fn is_name(text: &str) -> bool {
    is_below(text) && Path::new(text).components().count() == 1
}

fn is_below(path: &str) -> bool {
    let plain = |part| matches!(part, Component::Normal(_));
    !path.is_empty() && !path.contains(['\\', ':']) && Path::new(path).components().all(plain)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{FILES, packed};

    #[test]
    fn what_was_packed_is_found_again() {
        let bytes = packed("1.0-abc", FILES);
        let payload = Payload::parse(&bytes).unwrap();
        assert_eq!((payload.folder, payload.program), ("1.0-abc", "program"));
        let found: Vec<_> = payload.files.iter().map(|f| (f.path, f.size as usize, f.executable)).collect();
        let given: Vec<_> = FILES.iter().map(|(path, text)| (*path, text.len(), *path == "program")).collect();
        assert_eq!(found, given);
        assert_eq!(payload.files[1].begin, payload.files[0].size);
        assert_eq!(payload.size(), payload.chunks.iter().map(|chunk| chunk.size as u64).sum());
        assert!(payload.chunks.len() > 1);
    }

    #[test]
    fn an_empty_payload_holds_no_program() {
        assert_eq!(Payload::parse(b"").unwrap_err(), "there is no program in it");
    }

    #[test]
    fn whatever_is_cut_off_is_missed() {
        let bytes = packed("1.0-abc", FILES);
        for end in 0..bytes.len() {
            assert!(Payload::parse(&bytes[..end]).is_err(), "{end}");
        }
    }

    #[test]
    fn an_index_that_does_not_fit_together_is_refused() {
        let start = "llama-sidecar payload 1\nfolder f\nprogram a\n";
        for rest in [
            "file x 0 b\n\n",
            "file x 1 a\n\n",
            "file x 0 a\nfile x 0 a\n\n",
            "file x 0 a\n\nmore",
            "file x many a\n\n",
            "file x 0\n\n",
            "link 0 a\n\n",
            "chunk 1 1\n\n",
        ] {
            assert!(Payload::parse(format!("{start}{rest}").as_bytes()).is_err(), "{rest}");
        }
        assert!(Payload::parse(format!("{start}file x 0 a\n\n").as_bytes()).is_ok());
    }

    #[test]
    fn nothing_is_named_outside_of_the_folder() {
        for path in ["/a", "../a", "a/../../b", "", ".", "a\\b", "c:a"] {
            let text = format!("llama-sidecar payload 1\nfolder f\nprogram a\nfile x 0 a\nfile - 0 {path}\n\n");
            assert!(Payload::parse(text.as_bytes()).is_err(), "{path}");
            let text = format!("llama-sidecar payload 1\nfolder {path}\nprogram a\nfile x 0 a\n\n");
            assert!(Payload::parse(text.as_bytes()).is_err(), "{path}");
        }
    }
}
