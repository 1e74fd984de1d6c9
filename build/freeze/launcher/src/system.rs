//! The operating system: who we are, folders that are ours alone, and becoming another program.
//!
//! Linux is tried; macOS and Windows are written for and untried.

#[cfg(unix)]
pub use unix::*;
#[cfg(windows)]
pub use windows::*;

#[cfg(unix)]
mod unix {
    use std::ffi::CString;
    use std::fs::{DirBuilder, File, Metadata, OpenOptions};
    use std::io::{self, Error, ErrorKind};
    use std::os::fd::AsRawFd;
    use std::os::unix::ffi::OsStrExt;
    use std::os::unix::fs::{DirBuilderExt, FileExt, MetadataExt, OpenOptionsExt};
    use std::os::unix::process::CommandExt;
    use std::path::Path;
    use std::process::{Command, ExitCode};

    const PRIVATE: u32 = 0o700;
    const WRITABLE_BY_OTHERS: u32 = 0o022;

    /// Distinguishes users in the names of folders.
    pub fn user() -> String {
        uid().to_string()
    }

    fn uid() -> u32 {
        // SAFETY: it takes nothing and cannot fail.
        unsafe { libc::geteuid() }
    }

    /// Makes a folder that only we can write to, or finds that the one that is there is such a one.
    pub fn make_private(folder: &Path) -> io::Result<()> {
        let builder = |recursive| {
            let mut builder = DirBuilder::new();
            builder.recursive(recursive).mode(PRIVATE);
            builder
        };
        if let Some(above) = folder.parent() {
            builder(true).create(above)?;
        }
        match builder(false).create(folder) {
            Err(error) if error.kind() != ErrorKind::AlreadyExists => Err(error),
            _ => match folder.symlink_metadata()? {
                found if !found.is_dir() => Err(Error::other("there is something else of that name")),
                found if !is_ours(&found) => Err(Error::other("it belongs to another user, or others may write to it")),
                _ => Ok(()),
            },
        }
    }

    /// Whether no other user can have written to it.
    pub fn is_ours(found: &Metadata) -> bool {
        found.uid() == uid() && found.mode() & WRITABLE_BY_OTHERS == 0
    }

    /// Whether it is a program where it should be one, and may be read.
    pub fn has_mode(found: &Metadata, executable: bool) -> bool {
        found.mode() & 0o400 != 0 && (!executable || found.mode() & 0o100 != 0)
    }

    /// How a file of the program, or one of ours, is made or opened: never through a link.
    pub fn file(executable: bool) -> OpenOptions {
        let mut options = OpenOptions::new();
        options.mode(if executable { 0o700 } else { 0o600 }).custom_flags(libc::O_NOFOLLOW);
        options
    }

    pub fn write_at(file: &File, bytes: &[u8], offset: u64) -> io::Result<()> {
        file.write_all_at(bytes, offset)
    }

    /// What was made in a folder stays there after a crash of the system.
    pub fn sync_folder(folder: &Path) -> io::Result<()> {
        File::open(folder)?.sync_all()
    }

    /// Whether both are the same file.
    pub fn is_same(one: &Metadata, other: &Metadata) -> bool {
        (one.dev(), one.ino()) == (other.dev(), other.ino())
    }

    /// Says so where programs may not be run from a folder.
    pub fn may_run_from(folder: &Path) -> io::Result<()> {
        let path = CString::new(folder.as_os_str().as_bytes())?;
        let mut found = std::mem::MaybeUninit::<libc::statvfs>::uninit();
        // SAFETY: both point to what statvfs wants, and it is read only where it was written.
        let flags = unsafe {
            if libc::statvfs(path.as_ptr(), found.as_mut_ptr()) != 0 {
                return Err(Error::last_os_error());
            }
            found.assume_init().f_flag
        };
        // macOS does not say it there; the start shows it.
        #[cfg(target_os = "linux")]
        if flags & libc::ST_NOEXEC != 0 {
            return Err(Error::other("programs may not be run from there (it is mounted noexec)"));
        }
        let _ = flags;
        Ok(())
    }

    /// Becomes the program, with our arguments, pid and environment. It keeps the lock, and nothing that it starts does:
    /// the sidecar hands no descriptors down.
    pub fn become_program(program: &Path, lock: File) -> io::Result<ExitCode> {
        // SAFETY: the descriptor is open.
        if unsafe { libc::fcntl(lock.as_raw_fd(), libc::F_SETFD, 0) } != 0 {
            return Err(Error::last_os_error());
        }
        Err(Command::new(program).args(std::env::args_os().skip(1)).exec())
    }
}

#[cfg(windows)]
mod windows {
    use std::fs::{self, File, Metadata, OpenOptions};
    use std::io::{self, Error};
    use std::os::windows::fs::{FileExt, MetadataExt};
    use std::path::Path;
    use std::process::{Command, ExitCode};
    use std::ptr;

    use windows_sys::Win32::System::Console::SetConsoleCtrlHandler;
    use windows_sys::Win32::System::JobObjects::{
        AssignProcessToJobObject, CreateJobObjectW, JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE,
        JOBOBJECT_EXTENDED_LIMIT_INFORMATION, JobObjectExtendedLimitInformation, SetInformationJobObject,
    };
    use windows_sys::Win32::System::Threading::GetCurrentProcess;
    use windows_sys::core::BOOL;

    /// The folders for caches and temporary files are the user's own here.
    pub fn user() -> String {
        std::env::var("USERNAME").unwrap_or_default().chars().filter(|letter| letter.is_alphanumeric()).collect()
    }

    pub fn make_private(folder: &Path) -> io::Result<()> {
        fs::create_dir_all(folder)?;
        if !folder.symlink_metadata()?.is_dir() {
            return Err(Error::other("there is something else of that name"));
        }
        Ok(())
    }

    /// It is in a folder that only the user can write to, as Windows sets it up.
    pub fn is_ours(_: &Metadata) -> bool {
        true
    }

    pub fn has_mode(_: &Metadata, _executable: bool) -> bool {
        true
    }

    pub fn file(_executable: bool) -> OpenOptions {
        OpenOptions::new()
    }

    pub fn write_at(file: &File, mut bytes: &[u8], mut offset: u64) -> io::Result<()> {
        while !bytes.is_empty() {
            let written = file.seek_write(bytes, offset)?;
            bytes = &bytes[written..];
            offset += written as u64;
        }
        Ok(())
    }

    pub fn sync_folder(_: &Path) -> io::Result<()> {
        Ok(())
    }

    /// A file that is open cannot be replaced by another here.
    pub fn is_same(one: &Metadata, other: &Metadata) -> bool {
        one.creation_time() == other.creation_time()
    }

    pub fn may_run_from(_: &Path) -> io::Result<()> {
        Ok(())
    }

    /// Runs the program to its end, in a job that ends with us however we end.
    pub fn become_program(program: &Path, _lock: File) -> io::Result<ExitCode> {
        end_with_us()?;
        // SAFETY: the handler lives as long as the program.
        unsafe { SetConsoleCtrlHandler(Some(leave_it_to_the_program), 1) };
        let status = Command::new(program).args(std::env::args_os().skip(1)).status()?;
        std::process::exit(status.code().unwrap_or(1));
    }

    /// Puts this process into a job of its own before the program is started, so that there is no moment without it.
    fn end_with_us() -> io::Result<()> {
        // SAFETY: the handle is good until this process ends, which is what closes it.
        let done = unsafe {
            let job = CreateJobObjectW(ptr::null(), ptr::null());
            let mut limits: JOBOBJECT_EXTENDED_LIMIT_INFORMATION = std::mem::zeroed();
            limits.BasicLimitInformation.LimitFlags = JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE;
            !job.is_null()
                && SetInformationJobObject(
                    job,
                    JobObjectExtendedLimitInformation,
                    (&raw const limits).cast(),
                    size_of_val(&limits) as u32,
                ) != 0
                && AssignProcessToJobObject(job, GetCurrentProcess()) != 0
        };
        if done { Ok(()) } else { Err(Error::last_os_error()) }
    }

    /// Ctrl-C reaches the program as well, and it decides how it ends.
    unsafe extern "system" fn leave_it_to_the_program(_: u32) -> BOOL {
        1
    }
}
