//! The operating system: a child process that does not outlive us, and its end.
//!
//! Tested on Linux; the code for macOS and Windows is untested.

use std::io;
use std::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

/// How often an ending process is checked.
const POLL_INTERVAL: Duration = Duration::from_millis(5);

/// A running child. Dropping it kills it.
pub(crate) struct Process {
    child: Mutex<Child>,
    bond: bond::Bond,
}

/// Its streams.
pub(crate) struct Streams {
    pub(crate) stdin: ChildStdin,
    pub(crate) stdout: ChildStdout,
    pub(crate) stderr: ChildStderr,
}

impl Process {
    /// Starts it, bound to the calling thread: on Linux it is killed when this thread ends, so the thread has to last.
    pub(crate) fn start(command: &mut Command) -> io::Result<(Self, Streams)> {
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        bond::prepare(command);
        let mut child = command.spawn()?;
        let missing = || io::Error::other("a pipe is missing");
        let streams = Streams {
            stdin: child.stdin.take().ok_or_else(missing)?,
            stdout: child.stdout.take().ok_or_else(missing)?,
            stderr: child.stderr.take().ok_or_else(missing)?,
        };
        let bond = bond::bind(&child);
        Ok((Self { child: Mutex::new(child), bond }, streams))
    }

    /// How it ended; `None` while it runs.
    pub(crate) fn ended(&self) -> Option<ExitStatus> {
        self.child.lock().expect("the lock is not poisoned").try_wait().ok().flatten()
    }

    /// Waits for its end, for `time` at most.
    pub(crate) fn wait(&self, time: Duration) -> Option<ExitStatus> {
        let deadline = Instant::now() + time;
        loop {
            match self.ended() {
                None if Instant::now() < deadline => thread::sleep(POLL_INTERVAL),
                ended => return ended,
            }
        }
    }

    /// Kills it and its process group. Safe after its end.
    pub(crate) fn kill(&self) {
        let mut child = self.child.lock().expect("the lock is not poisoned");
        // Checked under the lock: until the child has been waited for, no other process can get its id.
        if let Ok(None) = child.try_wait() {
            self.bond.kill_all(&mut child);
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
        self.wait(KILL_TIMEOUT);
    }
}

/// A killed process ends within milliseconds, unless the kernel blocks it.
pub(crate) const KILL_TIMEOUT: Duration = Duration::from_secs(2);

#[cfg(unix)]
mod bond {
    use std::io;
    use std::os::unix::process::CommandExt;
    use std::process::{Child, Command};

    /// The child's process group, whose id is the child's.
    pub(super) struct Bond;

    pub(super) fn prepare(command: &mut Command) {
        let host = std::process::id().cast_signed();
        let bind = move || {
            // SAFETY: these take only numbers and are async-signal-safe, as required between fork and exec.
            unsafe {
                // A session of its own: only the app handles a Ctrl-C in its terminal.
                if libc::setsid() == -1 {
                    return Err(io::Error::last_os_error());
                }
                #[cfg(target_os = "linux")]
                if libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) == -1 {
                    return Err(io::Error::last_os_error());
                }
                // The host may have ended before `prctl`. Not compared with 1, which in a container may be the host's
                // id.
                if libc::getppid() != host {
                    return Err(io::Error::from_raw_os_error(libc::ESRCH));
                }
            }
            Ok(())
        };
        // SAFETY: it allocates nothing and takes no lock.
        unsafe { command.pre_exec(bind) };
    }

    pub(super) fn bind(_: &Child) -> Bond {
        Bond
    }

    impl Bond {
        pub(super) fn kill_all(&self, child: &mut Child) {
            // SAFETY: the child has not been waited for, so the id is still its group's.
            unsafe { libc::killpg(child.id().cast_signed(), libc::SIGKILL) };
        }
    }
}

#[cfg(windows)]
mod bond {
    use std::os::windows::io::{AsRawHandle, FromRawHandle, OwnedHandle};
    use std::os::windows::process::CommandExt;
    use std::process::{Child, Command};
    use std::ptr;

    use windows_sys::Win32::System::JobObjects::{
        AssignProcessToJobObject, CreateJobObjectW, JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE,
        JOBOBJECT_EXTENDED_LIMIT_INFORMATION, JobObjectExtendedLimitInformation, SetInformationJobObject,
        TerminateJobObject,
    };
    use windows_sys::Win32::System::Threading::{CREATE_NEW_PROCESS_GROUP, CREATE_NO_WINDOW};

    /// The child's job. The system kills its processes when this process ends, however it ends.
    pub(super) struct Bond(Option<OwnedHandle>);

    pub(super) fn prepare(command: &mut Command) {
        command.creation_flags(CREATE_NO_WINDOW | CREATE_NEW_PROCESS_GROUP);
    }

    /// The child joins the job before it starts processes itself, since its own start takes longer. Without a job, the
    /// end of its stdin still ends it.
    pub(super) fn bind(child: &Child) -> Bond {
        // SAFETY: the handles are open, and the limits have the type that the call expects.
        unsafe {
            let job = CreateJobObjectW(ptr::null(), ptr::null());
            if job.is_null() {
                return Bond(None);
            }
            let job = OwnedHandle::from_raw_handle(job);
            let mut limits: JOBOBJECT_EXTENDED_LIMIT_INFORMATION = std::mem::zeroed();
            limits.BasicLimitInformation.LimitFlags = JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE;
            let bound = SetInformationJobObject(
                job.as_raw_handle(),
                JobObjectExtendedLimitInformation,
                (&raw const limits).cast(),
                size_of_val(&limits) as u32,
            ) != 0
                && AssignProcessToJobObject(job.as_raw_handle(), child.as_raw_handle()) != 0;
            Bond(bound.then_some(job))
        }
    }

    impl Bond {
        pub(super) fn kill_all(&self, child: &mut Child) {
            let killed = self.0.as_ref().is_some_and(|job| {
                // SAFETY: the handle is open.
                unsafe { TerminateJobObject(job.as_raw_handle(), 1) != 0 }
            });
            if !killed {
                // It can only fail if the child has ended.
                let _ = child.kill();
            }
        }
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use std::io::{BufRead, BufReader};
    use std::os::unix::process::ExitStatusExt;

    fn shell(script: &str) -> (Process, Streams) {
        Process::start(Command::new("/bin/sh").args(["-c", script])).unwrap()
    }

    #[test]
    fn a_kill_ends_the_processes_that_it_has_started() {
        let (process, streams) = shell("sleep 600 & echo $!; wait");
        let mut line = String::new();
        BufReader::new(streams.stdout).read_line(&mut line).unwrap();
        let grandchild: i32 = line.trim().parse().unwrap();
        process.kill();
        assert_eq!(process.wait(KILL_TIMEOUT).unwrap().signal(), Some(libc::SIGKILL));
        process.kill();
        // The process that adopts the orphan waits for it; whether gone or a zombie, it does not run any more.
        let deadline = Instant::now() + KILL_TIMEOUT;
        let runs =
            || std::fs::read_to_string(format!("/proc/{grandchild}/stat")).is_ok_and(|stat| !stat.contains(") Z"));
        while runs() && Instant::now() < deadline {
            thread::sleep(POLL_INTERVAL);
        }
        assert!(!runs());
    }

    #[test]
    fn wait_returns_the_exit_status_or_nothing_after_its_timeout() {
        let (process, streams) = shell("read line; exit 3");
        assert_eq!(process.wait(Duration::from_millis(20)), None);
        drop(streams);
        assert_eq!(process.wait(KILL_TIMEOUT).unwrap().code(), Some(3));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn it_ends_with_the_thread_that_started_it() {
        let (process, _streams) = thread::spawn(|| shell("sleep 600")).join().unwrap();
        assert_eq!(process.wait(KILL_TIMEOUT).unwrap().signal(), Some(libc::SIGKILL));
    }

    #[test]
    fn a_program_that_does_not_exist_is_an_error() {
        assert!(Process::start(&mut Command::new("/no/such/program")).is_err());
    }
}
