//! The folder of one version: how it comes to be whole, who is using it, and how those of other versions go.
//!
//! ```text
//! frozen/                  the user's alone
//!   0.1.0-5f0c…/
//!     lock                 shared by all that run from here, exclusive for who fills or removes it
//!     complete             written last; without it the rest does not count
//!     app/                 the program
//! ```
//!
//! A kill at any moment leaves at most this folder, and the next start fills it again. There are no temporary names.

use std::fmt;
use std::fs::{self, File, TryLockError};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use crate::payload::Payload;
use crate::system;
use crate::unpack::{Failure, is_whole, unpack};

const LOCK: &str = "lock";
const COMPLETE: &str = "complete";
const APP: &str = "app";

/// How long another start may take to fill the folder: a second or less, but for a network disk.
const WAIT: Duration = Duration::from_secs(60);
const RETRY_AFTER: Duration = Duration::from_millis(5);

/// A version that was not started for so long is removed. Not immediately: two apps may bring two versions, and what ends the
/// processes of a sidecar that was killed runs from its folder without a lock.
const UNUSED: Duration = Duration::from_secs(24 * 3600);

/// Why a place will not do.
#[derive(Debug)]
pub enum Refusal {
    Damaged(String),
    Busy,
    System(io::Error),
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Refusal::Damaged(what) => f.write_str(what),
            Refusal::Busy => {
                write!(f, "it is not whole, and for {} s another llama-sidecar has kept it locked", WAIT.as_secs())
            }
            Refusal::System(error) => write!(f, "{error}"),
        }
    }
}

impl From<io::Error> for Refusal {
    fn from(error: io::Error) -> Self {
        Refusal::System(error)
    }
}

impl From<Failure> for Refusal {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Damaged => Refusal::Damaged("what is packed in it cannot be unpacked".into()),
            Failure::System(error) => Refusal::System(error),
        }
    }
}

/// A whole folder. It stays as it is for as long as the lock is open.
pub struct Ready {
    pub program: PathBuf,
    pub lock: File,
}

/// Finds the payload's folder in a place, or makes it there.
pub fn ready(base: &Path, payload: &Payload) -> Result<Ready, Refusal> {
    let deadline = Instant::now() + WAIT;
    system::make_private(base)?;
    let folder = base.join(payload.folder);
    let app = folder.join(APP);
    let is_complete = || folder.join(COMPLETE).exists() && is_whole(payload, &app);
    while Instant::now() < deadline {
        system::make_private(&folder)?;
        let Some(lock) = open_lock(&folder)? else { continue };
        if !is_locked(lock.try_lock_shared())? {
            thread::sleep(RETRY_AFTER);
            continue;
        }
        if is_still_there(&lock, &folder) && is_complete() {
            // Where that cannot be written down, it is removed a little early, once no program uses it.
            let _ = lock.set_modified(SystemTime::now());
            remove_unused(base, payload.folder);
            return Ok(Ready { program: app.join(payload.program), lock });
        }
        lock.unlock()?;
        // Not waited for: whoever has it may be done by now, and run from there for days.
        if !is_locked(lock.try_lock())? {
            thread::sleep(RETRY_AFTER);
            continue;
        }
        if is_still_there(&lock, &folder)
            && !is_complete()
            && let Err(refusal) = fill(&folder, payload)
        {
            let _ = remove(&folder);
            return Err(refusal);
        }
    }
    Err(Refusal::Busy)
}

/// Fills a folder, with its lock held. What an earlier start has left there goes first.
fn fill(folder: &Path, payload: &Payload) -> Result<(), Refusal> {
    system::may_run_from(folder)?;
    empty(folder)?;
    unpack(payload, &folder.join(APP))?;
    system::file(false).write(true).create_new(true).open(folder.join(COMPLETE))?.sync_all()?;
    Ok(system::sync_folder(folder)?)
}

/// Removes the folders of other versions that were not used for a while. What cannot be removed stays.
fn remove_unused(base: &Path, ours: &str) {
    for entry in fs::read_dir(base).into_iter().flatten().flatten() {
        let folder = entry.path();
        if entry.file_name() == ours || !entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            continue;
        }
        let Ok(Some(lock)) = open_lock(&folder) else { continue };
        let used = lock.metadata().and_then(|found| found.modified()).unwrap_or(SystemTime::now());
        let unused = used.elapsed().is_ok_and(|since| since > UNUSED);
        if unused && lock.try_lock().is_ok() && is_still_there(&lock, &folder) {
            let _ = remove(&folder);
        }
    }
}

/// Removes a folder, with its lock held. The lock goes last, so that an interrupted removal continues.
fn remove(folder: &Path) -> io::Result<()> {
    empty(folder)?;
    fs::remove_file(folder.join(LOCK))?;
    fs::remove_dir(folder)
}

fn empty(folder: &Path) -> io::Result<()> {
    let gone = |result: io::Result<()>| match result {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    };
    gone(fs::remove_file(folder.join(COMPLETE)))?;
    gone(fs::remove_dir_all(folder.join(APP)))
}

/// The lock of a folder; `None` where another process has just removed the folder.
fn open_lock(folder: &Path) -> io::Result<Option<File>> {
    match system::file(false).read(true).write(true).create(true).truncate(false).open(folder.join(LOCK)) {
        Ok(lock) => Ok(Some(lock)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Whether the lock is the one that others find there. Whoever removes a folder removes its lock as well.
fn is_still_there(lock: &File, folder: &Path) -> bool {
    match (lock.metadata(), folder.join(LOCK).symlink_metadata()) {
        (Ok(ours), Ok(found)) => system::is_same(&ours, &found),
        _ => false,
    }
}

fn is_locked(tried: Result<(), TryLockError>) -> io::Result<bool> {
    match tried {
        Ok(()) => Ok(true),
        Err(TryLockError::WouldBlock) => Ok(false),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{FILES, Folder, names, packed};

    fn content(ready: &Ready) -> String {
        fs::read_to_string(&ready.program).unwrap()
    }

    #[test]
    fn a_start_makes_the_folder_and_the_next_one_takes_it_as_it_is() {
        let (bytes, base) = (packed("1-a", FILES), Folder::new());
        let payload = Payload::parse(&bytes).unwrap();
        let first = ready(base.path(), &payload).unwrap();
        assert_eq!(content(&first), FILES[0].1);
        assert_eq!(names(&base.path().join("1-a")), ["app", "complete", "lock"]);
        let made = first.program.metadata().unwrap().modified().unwrap();
        let second = ready(base.path(), &payload).unwrap();
        assert_eq!(second.program.metadata().unwrap().modified().unwrap(), made);
    }

    #[test]
    fn what_a_killed_start_left_is_made_again() {
        let (bytes, base) = (packed("1-a", FILES), Folder::new());
        let payload = Payload::parse(&bytes).unwrap();
        let folder = base.path().join("1-a");
        let left: [&dyn Fn(); 4] = [
            &|| fs::create_dir(&folder).unwrap(),
            &|| fs::remove_file(folder.join(COMPLETE)).unwrap(),
            &|| fs::remove_file(folder.join(APP).join(FILES[1].0)).unwrap(),
            &|| {
                fs::remove_file(folder.join(COMPLETE)).unwrap();
                fs::remove_file(folder.join(APP).join(FILES[0].0)).unwrap();
                fs::write(folder.join(APP).join("stray"), "x").unwrap();
            },
        ];
        for leave in left {
            leave();
            let made = ready(base.path(), &payload).unwrap();
            assert_eq!(content(&made), FILES[0].1);
            assert!(is_whole(&payload, &folder.join(APP)));
            assert!(!folder.join(APP).join("stray").exists());
        }
    }

    #[test]
    fn first_starts_at_the_same_time_wait_for_each_other() {
        let (bytes, base) = (packed("1-a", FILES), Folder::new());
        let payload = Payload::parse(&bytes).unwrap();
        thread::scope(|scope| {
            let starts: Vec<_> = (0..8).map(|_| scope.spawn(|| ready(base.path(), &payload).unwrap())).collect();
            for start in starts {
                assert_eq!(content(&start.join().unwrap()), FILES[0].1);
            }
        });
        assert_eq!(names(base.path()), ["1-a"]);
    }

    #[test]
    fn other_versions_go_once_they_were_unused_for_a_while() {
        let base = Folder::new();
        let start = |name: &str| ready(base.path(), &Payload::parse(&packed(name, FILES)).unwrap()).unwrap();
        let age = |made: &Ready| made.lock.set_modified(SystemTime::now() - UNUSED - WAIT).unwrap();
        let running = start("1-a");
        let old = start("2-b");
        let young = start("3-c");
        age(&running);
        age(&old);
        drop((old, young));
        fs::write(base.path().join("not ours"), "x").unwrap();
        drop(start("4-d"));
        assert_eq!(names(base.path()), ["1-a", "3-c", "4-d", "not ours"]);
        drop(running);
        drop(start("4-d"));
        assert_eq!(names(base.path()), ["3-c", "4-d", "not ours"]);
    }

    #[test]
    fn a_removal_that_was_cut_short_is_gone_on_with() {
        let base = Folder::new();
        let start = |name: &str| ready(base.path(), &Payload::parse(&packed(name, FILES)).unwrap()).unwrap();
        let old = start("1-a");
        old.lock.set_modified(SystemTime::now() - UNUSED - WAIT).unwrap();
        fs::remove_dir_all(base.path().join("1-a").join(APP)).unwrap();
        drop(old);
        drop(start("2-b"));
        assert_eq!(names(base.path()), ["2-b"]);
    }

    #[test]
    fn nothing_is_left_where_the_program_can_not_be_unpacked() {
        let (mut bytes, base) = (packed("1-a", FILES), Folder::new());
        *bytes.last_mut().unwrap() ^= 1;
        let refusal = ready(base.path(), &Payload::parse(&bytes).unwrap()).err().unwrap();
        assert!(matches!(refusal, Refusal::Damaged(_)), "{refusal:?}");
        assert_eq!(names(base.path()), [""; 0]);
    }

    #[cfg(unix)]
    #[test]
    fn a_place_that_is_a_link_or_that_others_may_write_to_is_refused() {
        use std::os::unix::fs::{PermissionsExt, symlink};

        let (bytes, folder) = (packed("1-a", FILES), Folder::new());
        let payload = Payload::parse(&bytes).unwrap();
        let (link, open) = (folder.path().join("link"), folder.path().join("open"));
        fs::create_dir(folder.path().join("behind")).unwrap();
        symlink(folder.path().join("behind"), &link).unwrap();
        fs::create_dir(&open).unwrap();
        fs::set_permissions(&open, fs::Permissions::from_mode(0o777)).unwrap();
        for place in [link, open] {
            assert!(matches!(ready(&place, &payload), Err(Refusal::System(_))), "{}", place.display());
            assert_eq!(names(&place), [""; 0]);
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_file_that_others_may_write_to_is_not_run() {
        use std::os::unix::fs::PermissionsExt;

        let (bytes, base) = (packed("1-a", FILES), Folder::new());
        let payload = Payload::parse(&bytes).unwrap();
        let first = ready(base.path(), &payload).unwrap();
        let program = first.program.clone();
        drop(first);
        fs::set_permissions(&program, fs::Permissions::from_mode(0o777)).unwrap();
        let second = ready(base.path(), &payload).unwrap();
        assert_eq!(second.program.metadata().unwrap().permissions().mode() & 0o777, 0o700);
    }
}
