//! The thread that starts the sidecar, watches it and starts it again.
//!
//! It lives as long as the host: on Linux the kernel kills a child when the *thread* that started it ends, which is how
//! the sidecar goes with a host that is killed.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::{Command, ExitStatus};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread;
use std::time::{Duration, Instant};

use llama_sidecar_contract::methods::{Initialize, Ping, ResumeSession, Shutdown};
use llama_sidecar_contract::types::{ClientInfo, InitializeParamsContractVersion, InitializeResult};
use llama_sidecar_contract::{CONTRACT_VERSION, ErrorName, Method, Request, SidecarMessage, types};
use serde_json::Map;

use crate::exchange::Exchange;
use crate::failure::Failure;
use crate::program;
use crate::queue::Queue;
use crate::settings::Settings;
use crate::shared::{Cause, Line, Shared, State};
use crate::system::{GONE, Process, Streams};
use crate::threads::{self, Tail};

/// Half a second is usual; a cold disk and a scanner of viruses take some.
const HANDSHAKE: Duration = Duration::from_secs(30);

/// The sidecar promises to have stopped everything within 5 s.
const STOPPING: Duration = Duration::from_secs(5);

/// Questions after its health in a row that may stay without an answer. After a computer has slept, one does.
const MISSED: u32 = 3;

/// For the last lines of its log, once it has ended.
const LAST_WORDS: Duration = Duration::from_millis(500);

/// For a line of ours to find room in a queue that is empty, unless the sidecar does not read.
const ROOM: Duration = Duration::from_millis(100);

/// From the wish to stop to the last moment that the sidecar can be there.
pub(crate) const STOPPED: Duration = STOPPING.saturating_add(GONE).saturating_add(Duration::from_secs(1));

pub(crate) enum Signal {
    /// This start's stdout has ended.
    Silent(u64),
    /// There is an answer to the handshake.
    Answered,
    Stop,
    StartAgain,
}

/// How a run of the sidecar came to its end.
enum End {
    Stopped,
    Lost {
        cause: Cause,
        ready_for: Duration,
        /// The next start would end alike.
        hopeless: bool,
    },
}

/// A sidecar that runs.
struct Run {
    number: u64,
    process: Process,
    queue: Arc<Queue>,
    tail: Arc<Tail>,
    /// Disconnected when its log has ended.
    log: Receiver<()>,
    handshaking: Arc<AtomicBool>,
}

pub(crate) struct Supervisor {
    settings: Settings,
    shared: Arc<Shared>,
    signals: Receiver<Signal>,
    to_us: Sender<Signal>,
    runs: u64,
}

impl Supervisor {
    pub(crate) fn new(settings: Settings, shared: Arc<Shared>) -> (Self, Sender<Signal>) {
        let (to_us, signals) = mpsc::channel();
        (Self { settings, shared, signals, to_us: to_us.clone(), runs: 0 }, to_us)
    }

    /// Runs sidecars until it is told to stop.
    pub(crate) fn run(mut self) {
        let ended = catch_unwind(AssertUnwindSafe(|| self.run_sidecars()));
        let words = match ended {
            Ok(()) => "The sidecar was stopped.".into(),
            Err(panic) => format!("The thread that watches the sidecar has failed: {}.", said(&*panic)),
        };
        self.shared.hang_up();
        self.shared.desk.end(&Failure::Ended(words.clone()));
        self.shared.desk.abandon(&Failure::Ended(words));
        self.tell(State::Stopped, None);
    }

    fn run_sidecars(&mut self) {
        self.tell(State::Starting, None);
        loop {
            let End::Lost { cause, ready_for, hopeless } = self.run_one() else { return };
            match self.settings.backoff.next(ready_for).filter(|_| !hopeless) {
                Some(after) => {
                    let tries = self.settings.backoff.tries();
                    self.tell(State::Restarting { cause, tries, after }, None);
                    if self.told_to_stop_within(Some(after)) {
                        return;
                    }
                }
                None => {
                    self.shared.desk.abandon(&Failure::NotRunning(cause.message.clone()));
                    self.tell(State::Failed(cause), None);
                    if self.told_to_stop_within(None) {
                        return;
                    }
                    self.settings.backoff.forget();
                    self.tell(State::Starting, None);
                }
            }
        }
    }

    /// Waits, until somebody wants the next start now; whether somebody wants the end instead.
    fn told_to_stop_within(&self, time: Option<Duration>) -> bool {
        let deadline = time.map(|time| Instant::now() + time);
        loop {
            let signal = match deadline {
                Some(at) => self.signals.recv_timeout(at.saturating_duration_since(Instant::now())),
                None => self.signals.recv().map_err(|_| RecvTimeoutError::Disconnected),
            };
            match signal {
                Ok(Signal::Stop) | Err(RecvTimeoutError::Disconnected) => return true,
                Ok(Signal::StartAgain) | Err(RecvTimeoutError::Timeout) => return false,
                Ok(Signal::Silent(_) | Signal::Answered) => {}
            }
        }
    }

    /// One sidecar from its start to its end.
    fn run_one(&mut self) -> End {
        let run = match self.start() {
            Ok(run) => run,
            Err(error) => {
                let path = self.settings.program.path.display();
                let message = format!("{path} can not be started: {error}.");
                return lost_before(Cause { message, log_tail: Vec::new() }, is_hopeless(&error));
            }
        };
        match self.shake_hands(&run) {
            Ok(Some(welcome)) => self.watch(&run, welcome),
            Ok(None) => {
                self.stop(&run);
                End::Stopped
            }
            Err(None) => self.lost(&run, Duration::ZERO, None),
            Err(Some(failure)) => {
                self.stop(&run);
                let hopeless = match &failure {
                    Failure::Refused(error) => error.data.name == ErrorName::NotSupported,
                    failure => matches!(failure, Failure::NotInContract(_)),
                };
                lost_before(Cause { message: failure.to_string(), log_tail: run.tail.lines() }, hopeless)
            }
        }
    }

    fn start(&mut self) -> std::io::Result<Run> {
        self.runs += 1;
        let (process, Streams { stdin, stdout, stderr }) = Process::start(&mut self.command())?;
        let (to_log, log) = mpsc::channel::<()>();
        let run = Run {
            number: self.runs,
            process,
            queue: Arc::default(),
            tail: Arc::default(),
            log,
            handshaking: Arc::new(AtomicBool::new(true)),
        };
        let queue = Arc::clone(&run.queue);
        spawn("sidecar writer", move || threads::write(stdin, &queue))?;

        let (number, handshaking) = (run.number, Arc::clone(&run.handshaking));
        let (shared, to_us, on_log) = (Arc::clone(&self.shared), self.to_us.clone(), Arc::clone(&self.settings.on_log));
        spawn("sidecar reader", move || {
            let take_in = |message: SidecarMessage| {
                shared.desk.deliver(message);
                if handshaking.load(Ordering::Relaxed) {
                    // Where there is no supervisor any more there is nothing to tell.
                    let _ = to_us.send(Signal::Answered);
                }
            };
            threads::read(stdout, take_in, &*on_log);
            let _ = to_us.send(Signal::Silent(number));
        })?;

        let (tail, on_log) = (Arc::clone(&run.tail), Arc::clone(&self.settings.on_log));
        spawn("sidecar log", move || {
            threads::read_log(stderr, &tail, &*on_log);
            drop(to_log);
        })?;
        Ok(run)
    }

    fn command(&self) -> Command {
        let settings = &self.settings;
        let mut command = Command::new(&settings.program.path);
        command.args(&settings.program.arguments);
        if let Some(folder) = &settings.data_dir {
            command.arg("--data-dir").arg(folder);
        }
        // It watches us as well, for systems whose kernel does not.
        command.arg("--host-pid").arg(std::process::id().to_string()).args(&settings.options);
        command.env_clear().envs(program::environment(std::env::vars_os())).envs(settings.variables.iter().cloned());
        if let Some(folder) = &settings.working_dir {
            command.current_dir(folder);
        }
        command
    }

    /// Introduces us. `Ok(None)`: somebody wants the end. `Err(None)`: it has ended.
    fn shake_hands(&self, run: &Run) -> Result<Option<InitializeResult>, Option<Failure>> {
        let params = types::InitializeParams {
            client: Some(ClientInfo {
                name: self.settings.client.0.clone(),
                version: Some(self.settings.client.1.clone()),
            }),
            contract_version: Some(InitializeParamsContractVersion::Text(CONTRACT_VERSION.into())),
            ..types::InitializeParams::default()
        };
        let exchange = self.ask::<Initialize>(run, params).ok_or(None)?;
        let deadline = Instant::now() + HANDSHAKE;
        let outcome = loop {
            if let Some(outcome) = exchange.outcome() {
                break outcome;
            }
            match self.signals.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(Signal::Stop) | Err(RecvTimeoutError::Disconnected) => return Ok(None),
                Ok(Signal::Silent(number)) if number == run.number => return Err(None),
                Ok(_) => {}
                Err(RecvTimeoutError::Timeout) => break Err(Failure::Late(HANDSHAKE)),
            }
        };
        run.handshaking.store(false, Ordering::Relaxed);
        self.shared.desk.forget(&exchange);
        let welcome = outcome.and_then(|result| Ok(serde_json::from_value(result)?));
        welcome.map(Some).map_err(Some)
    }

    /// Sees to a sidecar that is ready.
    fn watch(&self, run: &Run, welcome: InitializeResult) -> End {
        let began = Instant::now();
        let limit = usize::try_from(welcome.capabilities.max_line_bytes).unwrap_or(usize::MAX);
        self.resume(run);
        self.tell(State::Ready(Arc::new(welcome)), Some(Line { queue: Arc::clone(&run.queue), limit }));
        let mut asked: Option<Arc<Exchange>> = None;
        let mut missed = 0;
        loop {
            match self.signals.recv_timeout(self.settings.watch_every) {
                Ok(Signal::Stop) | Err(RecvTimeoutError::Disconnected) => {
                    self.stop(run);
                    return End::Stopped;
                }
                Ok(Signal::Silent(number)) if number == run.number => return self.lost(run, began.elapsed(), None),
                Ok(_) => continue,
                Err(RecvTimeoutError::Timeout) => {}
            }
            if run.process.ended().is_some() {
                return self.lost(run, began.elapsed(), None);
            }
            if let Some(ping) = asked.take_if(|ping| ping.outcome().is_none()) {
                self.shared.desk.forget(&ping);
                missed += 1;
            } else {
                missed = 0;
            }
            if missed == MISSED {
                run.process.kill();
                let seconds = (self.settings.watch_every * MISSED).as_secs_f32();
                let why = format!("The sidecar did not answer for {seconds} s and was killed.");
                return self.lost(run, began.elapsed(), Some(why));
            }
            asked =
                self.ask::<Ping>(run, types::PingParams {}).or_else(|| Some(Arc::new(Exchange::unsent(Ping::NAME))));
        }
    }

    /// Goes on with the answers that its predecessor was giving.
    fn resume(&self, run: &Run) {
        for exchange in self.shared.desk.take_set_aside() {
            let Some((session, after)) = exchange.resumes() else { continue };
            let id = self.shared.desk.new_id();
            let params = types::ResumeSessionParams {
                after_seq: Some(after.cast_signed()),
                channel: exchange.channel.clone(),
                ..types::ResumeSessionParams::new(session)
            };
            self.shared.desk.register(id, &exchange);
            // If it has ended again already, they all fail with it.
            let _ = run.queue.push(Request::new::<ResumeSession>(id, params).to_line(), soon());
        }
    }

    /// Sends a request of our own; `None` where it can not be sent.
    fn ask<M: Method>(&self, run: &Run, params: M::Params) -> Option<Arc<Exchange>> {
        let id = self.shared.desk.new_id();
        let exchange = Arc::new(Exchange::unsent(M::NAME));
        self.shared.desk.register(id, &exchange);
        let sent = run.queue.push(Request::new::<M>(id, params).to_line(), soon());
        if sent.is_err() {
            self.shared.desk.forget(&exchange);
        }
        sent.is_ok().then_some(exchange)
    }

    /// Ends a sidecar: it is asked to, its stdin ends, and what is there after 5 s is killed.
    fn stop(&self, run: &Run) -> Option<ExitStatus> {
        self.shared.hang_up();
        self.ask::<Shutdown>(run, types::ShutdownParams {});
        run.queue.close();
        run.process.wait(STOPPING).or_else(|| {
            run.process.kill();
            run.process.wait(GONE)
        })
    }

    /// Sees what is left of a sidecar that has ended, or that says nothing any more.
    fn lost(&self, run: &Run, ready_for: Duration, why: Option<String>) -> End {
        self.shared.hang_up();
        run.queue.close();
        let status = run.process.wait(STOPPING).or_else(|| {
            run.process.kill();
            run.process.wait(GONE)
        });
        // It ends with the last process that has it open, which need not be the sidecar.
        let _ = run.log.recv_timeout(LAST_WORDS);
        let message = why.unwrap_or_else(|| match status {
            Some(status) => format!("The sidecar has ended ({status})."),
            None => "The sidecar has ended.".into(),
        });
        self.shared.desk.end(&Failure::Ended(message.clone()));
        End::Lost { cause: Cause { message, log_tail: run.tail.lines() }, ready_for, hopeless: false }
    }

    fn tell(&self, state: State, line: Option<Line>) {
        self.shared.set(state.clone(), line);
        (self.settings.on_state)(&state);
    }
}

fn lost_before(cause: Cause, hopeless: bool) -> End {
    End::Lost { cause, ready_for: Duration::ZERO, hopeless }
}

/// A program that is not there, or no program, is none a second later.
fn is_hopeless(error: &std::io::Error) -> bool {
    use std::io::ErrorKind::{NotFound, PermissionDenied};
    matches!(error.kind(), NotFound | PermissionDenied)
}

fn soon() -> Option<Instant> {
    Some(Instant::now() + ROOM)
}

fn spawn(name: &str, work: impl FnOnce() + Send + 'static) -> std::io::Result<()> {
    thread::Builder::new().name(name.into()).spawn(work).map(drop)
}

fn said(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_default()
}

impl Exchange {
    /// A request of the supervisor's own, which nobody follows.
    fn unsent(method: &str) -> Self {
        Self::new(method, &Map::new(), None)
    }
}
