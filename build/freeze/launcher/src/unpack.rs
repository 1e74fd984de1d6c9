//! Fills a folder with the files of the payload, as fast as the machine can.

use std::collections::BTreeSet;
use std::io;
use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use crate::payload::{Chunk, File, Payload};
use crate::system;

/// While one waits for the disk another unpacks.
const THREADS_A_PROCESSOR: usize = 2;
const MOST_THREADS: usize = 8;

/// Why a folder could not be filled.
#[derive(Debug)]
pub enum Failure {
    Damaged,
    System(io::Error),
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Failure::System(error)
    }
}

/// Writes all files into an empty folder. When it returns they are on the disk.
pub fn unpack(payload: &Payload, target: &Path) -> Result<(), Failure> {
    let folders = folders(payload, target);
    for folder in &folders {
        system::make_private(folder)?;
    }
    for file in &payload.files {
        system::file(file.executable).write(true).create_new(true).open(target.join(file.path))?.set_len(file.size)?;
    }
    side_by_side(&payload.chunks, |chunk| write(payload, chunk, target))?;
    for folder in &folders {
        system::sync_folder(folder)?;
    }
    Ok(())
}

/// The target and all folders below it, those above first.
fn folders(payload: &Payload, target: &Path) -> BTreeSet<PathBuf> {
    let mut found = BTreeSet::from([target.to_owned()]);
    for file in &payload.files {
        found.extend(Path::new(file.path).ancestors().skip(1).map(|folder| target.join(folder)));
    }
    found
}

fn write(payload: &Payload, chunk: &Chunk, target: &Path) -> Result<(), Failure> {
    let mut bytes = Vec::with_capacity(chunk.size);
    match zstd_safe::decompress(&mut bytes, chunk.frame) {
        Ok(size) if size == chunk.size => {}
        _ => return Err(Failure::Damaged),
    }
    let end = chunk.begin + chunk.size as u64;
    let first = payload.files.partition_point(|file| file.begin + file.size <= chunk.begin);
    for file in payload.files[first..].iter().take_while(|file| file.begin < end) {
        let (from, to) = (file.begin.max(chunk.begin), (file.begin + file.size).min(end));
        let part = &bytes[(from - chunk.begin) as usize..(to - chunk.begin) as usize];
        let opened = system::file(file.executable).write(true).open(target.join(file.path))?;
        system::write_at(&opened, part, from - file.begin)?;
        // Immediately, so that the disk works while others unpack.
        opened.sync_all()?;
    }
    Ok(())
}

/// Does something with each item, on all processors; returns the first failure.
fn side_by_side<T: Sync>(items: &[T], action: impl Fn(&T) -> Result<(), Failure> + Sync) -> Result<(), Failure> {
    let next = AtomicUsize::new(0);
    let failure = Mutex::new(None);
    let work = || {
        while let Some(item) = items.get(next.fetch_add(1, Ordering::Relaxed)) {
            if let Err(error) = action(item) {
                next.store(items.len(), Ordering::Relaxed);
                failure.lock().expect("nothing panics here").get_or_insert(error);
            }
        }
    };
    let processors = thread::available_parallelism().map_or(1, NonZero::get);
    let threads = (processors * THREADS_A_PROCESSOR).min(MOST_THREADS);
    thread::scope(|scope| {
        for _ in 1..threads {
            // Where the system allows no more threads, those that there are do it.
            if thread::Builder::new().spawn_scoped(scope, work).is_err() {
                break;
            }
        }
        work();
    });
    failure.into_inner().expect("nothing panics here").map_or(Ok(()), Err)
}

/// Whether a folder holds all files, each with its size, and each ours.
pub fn is_whole(payload: &Payload, target: &Path) -> bool {
    let is_good = |file: &File| {
        target.join(file.path).symlink_metadata().is_ok_and(|found| {
            found.is_file()
                && found.len() == file.size
                && system::is_ours(&found)
                && system::has_mode(&found, file.executable)
        })
    };
    payload.files.iter().all(is_good)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::testing::{FILES, Folder, packed};

    #[test]
    fn every_file_is_there_as_it_was_packed() {
        let (bytes, folder) = (packed("f", FILES), Folder::new());
        let payload = Payload::parse(&bytes).unwrap();
        let target = folder.path().join("app");
        unpack(&payload, &target).unwrap();
        for (path, content) in FILES {
            assert_eq!(fs::read_to_string(target.join(path)).unwrap(), *content, "{path}");
        }
        assert!(is_whole(&payload, &target));
    }

    #[test]
    fn a_file_that_is_missing_short_or_replaced_is_noticed() {
        let (bytes, folder) = (packed("f", FILES), Folder::new());
        let payload = Payload::parse(&bytes).unwrap();
        for what in ["missing", "short", "a folder"] {
            let target = folder.path().join(what);
            unpack(&payload, &target).unwrap();
            let file = target.join(FILES[1].0);
            fs::remove_file(&file).unwrap();
            match what {
                "short" => fs::write(file, "x").unwrap(),
                "a folder" => fs::create_dir(file).unwrap(),
                _ => {}
            }
            assert!(!is_whole(&payload, &target), "{what}");
        }
    }

    #[test]
    fn damaged_bytes_are_noticed() {
        let mut bytes = packed("f", FILES);
        let last = bytes.len() - 1;
        bytes[last] ^= 1;
        let folder = Folder::new();
        let result = unpack(&Payload::parse(&bytes).unwrap(), &folder.path().join("app"));
        assert!(matches!(result, Err(Failure::Damaged)), "{result:?}");
    }
}
