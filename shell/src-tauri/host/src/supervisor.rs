//! The thread that starts, watches and restarts the sidecar.
//!
//! It lives as long as the host: on Linux the kernel kills a child when the *thread* that started it ends, which is how
//! the sidecar ends with a host that is killed.

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
use crate::shared::{Cause, Connection, Shared, State};
use crate::system::{KILL_TIMEOUT, Process, Streams};
use crate::threads::{self, Tail};

/// Usually half a second; a cold disk and a virus scanner take longer.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(30);

/// The sidecar promises to have stopped everything within 5 s.
const STOP_TIMEOUT: Duration = Duration::from_secs(5);

/// Pings in a row without an answer until the sidecar is killed. After the computer has slept, one is missed.
const MAX_MISSED_PINGS: u32 = 3;

/// For reading the end of its log, once it has ended.
const LOG_DRAIN_TIMEOUT: Duration = Duration::from_millis(500);

/// For a line of the supervisor to find room in the queue, which is empty unless the sidecar does not read.
const QUEUE_TIMEOUT: Duration = Duration::from_millis(100);

/// The longest time from the request to stop until the sidecar has ended.
pub(crate) const STOPPED_WITHIN: Duration =
    STOP_TIMEOUT.saturating_add(KILL_TIMEOUT).saturating_add(Duration::from_secs(1));

pub(crate) enum Signal {
    /// The stdout of this run has ended.
    StdoutClosed(u64),
    /// A message has arrived during the handshake.
    Answered,
    Stop,
    StartAgain,
}

/// How a run of the sidecar ended.
enum End {
    Stopped,
    Lost {
        cause: Cause,
        ready_for: Duration,
        /// The next start would fail in the same way.
        hopeless: bool,
    },
}

/// One sidecar process.
struct Run {
    number: u64,
    process: Process,
    queue: Arc<Queue>,
    tail: Arc<Tail>,
    /// Disconnects when its log has ended.
    log: Receiver<()>,
    handshaking: Arc<AtomicBool>,
}

pub(crate) struct Supervisor {
    settings: Settings,
    shared: Arc<Shared>,
    signals: Receiver<Signal>,
    signal_sender: Sender<Signal>,
    runs: u64,
}

impl Supervisor {
    pub(crate) fn new(settings: Settings, shared: Arc<Shared>) -> (Self, Sender<Signal>) {
        let (signal_sender, signals) = mpsc::channel();
        (Self { settings, shared, signals, signal_sender: signal_sender.clone(), runs: 0 }, signal_sender)
    }

    /// Runs sidecars until it receives `Signal::Stop`.
    pub(crate) fn run(mut self) {
        let ended = catch_unwind(AssertUnwindSafe(|| self.run_sidecars()));
        let message = match ended {
            Ok(()) => "The sidecar was stopped.".into(),
            Err(panic) => format!("The thread that watches the sidecar failed: {}.", panic_message(&*panic)),
        };
        self.shared.disconnect();
        self.shared.in_flight.sidecar_ended(&Failure::Ended(message.clone()));
        self.shared.in_flight.fail_suspended(&Failure::Ended(message));
        self.publish(State::Stopped, None);
    }

    fn run_sidecars(&mut self) {
        self.publish(State::Starting, None);
        loop {
            let End::Lost { cause, ready_for, hopeless } = self.run_one() else { return };
            match self.settings.backoff.next(ready_for).filter(|_| !hopeless) {
                Some(after) => {
                    let tries = self.settings.backoff.tries();
                    self.publish(State::Restarting { cause, tries, after }, None);
                    if self.stop_requested_within(Some(after)) {
                        return;
                    }
                }
                None => {
                    self.shared.in_flight.fail_suspended(&Failure::NotRunning(cause.message.clone()));
                    self.publish(State::Failed(cause), None);
                    if self.stop_requested_within(None) {
                        return;
                    }
                    self.settings.backoff.reset();
                    self.publish(State::Starting, None);
                }
            }
        }
    }

    /// Waits for `time`, or until a restart or a stop is requested; returns whether it is a stop.
    fn stop_requested_within(&self, time: Option<Duration>) -> bool {
        let deadline = time.map(|time| Instant::now() + time);
        loop {
            let signal = match deadline {
                Some(at) => self.signals.recv_timeout(at.saturating_duration_since(Instant::now())),
                None => self.signals.recv().map_err(|_| RecvTimeoutError::Disconnected),
            };
            match signal {
                Ok(Signal::Stop) | Err(RecvTimeoutError::Disconnected) => return true,
                Ok(Signal::StartAgain) | Err(RecvTimeoutError::Timeout) => return false,
                Ok(Signal::StdoutClosed(_) | Signal::Answered) => {}
            }
        }
    }

    /// One sidecar from its start to its end.
    fn run_one(&mut self) -> End {
        let run = match self.start() {
            Ok(run) => run,
            Err(error) => {
                let path = self.settings.program.path.display();
                let message = format!("{path} cannot be started: {error}.");
                return lost_before_ready(Cause { message, log_tail: Vec::new() }, is_hopeless(&error));
            }
        };
        match self.initialize(&run) {
            Ok(Some(handshake)) => self.watch(&run, handshake),
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
                lost_before_ready(Cause { message: failure.to_string(), log_tail: run.tail.lines() }, hopeless)
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
        let (shared, signal_sender, on_log) =
            (Arc::clone(&self.shared), self.signal_sender.clone(), Arc::clone(&self.settings.on_log));
        spawn("sidecar reader", move || {
            let deliver = |message: SidecarMessage| {
                shared.in_flight.deliver(message);
                if handshaking.load(Ordering::Relaxed) {
                    // If this fails, the supervisor has ended.
                    let _ = signal_sender.send(Signal::Answered);
                }
            };
            threads::read(stdout, deliver, &*on_log);
            let _ = signal_sender.send(Signal::StdoutClosed(number));
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
        // It watches our process id, for systems whose kernel does not kill it with us.
        command.arg("--host-pid").arg(std::process::id().to_string()).args(&settings.options);
        command.env_clear().envs(program::environment(std::env::vars_os())).envs(settings.variables.iter().cloned());
        if let Some(folder) = &settings.working_dir {
            command.current_dir(folder);
        }
        command
    }

    /// Calls `initialize`. `Ok(None)`: a stop is requested. `Err(None)`: the sidecar has ended.
    fn initialize(&self, run: &Run) -> Result<Option<InitializeResult>, Option<Failure>> {
        let params = types::InitializeParams {
            client: Some(ClientInfo {
                name: self.settings.client.0.clone(),
                version: Some(self.settings.client.1.clone()),
            }),
            contract_version: Some(InitializeParamsContractVersion::Text(CONTRACT_VERSION.into())),
            ..types::InitializeParams::default()
        };
        let exchange = self.send_request::<Initialize>(run, params).ok_or(None)?;
        let deadline = Instant::now() + HANDSHAKE_TIMEOUT;
        let outcome = loop {
            if let Some(outcome) = exchange.outcome() {
                break outcome;
            }
            match self.signals.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(Signal::Stop) | Err(RecvTimeoutError::Disconnected) => return Ok(None),
                Ok(Signal::StdoutClosed(number)) if number == run.number => return Err(None),
                Ok(_) => {}
                Err(RecvTimeoutError::Timeout) => break Err(Failure::Late(HANDSHAKE_TIMEOUT)),
            }
        };
        run.handshaking.store(false, Ordering::Relaxed);
        self.shared.in_flight.forget(&exchange);
        let handshake = outcome.and_then(|result| Ok(serde_json::from_value(result)?));
        handshake.map(Some).map_err(Some)
    }

    /// Pings a sidecar that is ready, until it ends or a stop is requested.
    fn watch(&self, run: &Run, handshake: InitializeResult) -> End {
        let began = Instant::now();
        let limit = usize::try_from(handshake.capabilities.max_line_bytes).unwrap_or(usize::MAX);
        self.resume(run);
        self.publish(State::Ready(Arc::new(handshake)), Some(Connection { queue: Arc::clone(&run.queue), limit }));
        let mut asked: Option<Arc<Exchange>> = None;
        let mut missed = 0;
        loop {
            match self.signals.recv_timeout(self.settings.ping_interval) {
                Ok(Signal::Stop) | Err(RecvTimeoutError::Disconnected) => {
                    self.stop(run);
                    return End::Stopped;
                }
                Ok(Signal::StdoutClosed(number)) if number == run.number => {
                    return self.lost(run, began.elapsed(), None);
                }
                Ok(_) => continue,
                Err(RecvTimeoutError::Timeout) => {}
            }
            if run.process.ended().is_some() {
                return self.lost(run, began.elapsed(), None);
            }
            if let Some(ping) = asked.take_if(|ping| ping.outcome().is_none()) {
                self.shared.in_flight.forget(&ping);
                missed += 1;
            } else {
                missed = 0;
            }
            if missed == MAX_MISSED_PINGS {
                run.process.kill();
                let seconds = (self.settings.ping_interval * MAX_MISSED_PINGS).as_secs_f32();
                let why = format!("The sidecar did not answer for {seconds} s and was killed.");
                return self.lost(run, began.elapsed(), Some(why));
            }
            asked = self
                .send_request::<Ping>(run, types::PingParams {})
                .or_else(|| Some(Arc::new(Exchange::unsent(Ping::NAME))));
        }
    }

    /// Resumes the answers that the previous sidecar had begun.
    fn resume(&self, run: &Run) {
        for exchange in self.shared.in_flight.take_suspended() {
            let Some((session, after)) = exchange.resume_point() else { continue };
            let id = self.shared.in_flight.new_id();
            let params = types::ResumeSessionParams {
                after_seq: Some(after.cast_signed()),
                channel: exchange.channel.clone(),
                ..types::ResumeSessionParams::new(session)
            };
            self.shared.in_flight.register(id, &exchange);
            // If this fails, the sidecar has ended again, and the answers fail with it.
            let _ = run.queue.push(Request::new::<ResumeSession>(id, params).to_line(), soon());
        }
    }

    /// Sends a request of the supervisor; `None` if it cannot be sent.
    fn send_request<M: Method>(&self, run: &Run, params: M::Params) -> Option<Arc<Exchange>> {
        let id = self.shared.in_flight.new_id();
        let exchange = Arc::new(Exchange::unsent(M::NAME));
        self.shared.in_flight.register(id, &exchange);
        let sent = run.queue.push(Request::new::<M>(id, params).to_line(), soon());
        if sent.is_err() {
            self.shared.in_flight.forget(&exchange);
        }
        sent.is_ok().then_some(exchange)
    }

    /// Ends a sidecar: requests a shutdown, closes its stdin, and kills what still runs after 5 s.
    fn stop(&self, run: &Run) -> Option<ExitStatus> {
        self.shared.disconnect();
        self.send_request::<Shutdown>(run, types::ShutdownParams {});
        run.queue.close();
        run.process.wait(STOP_TIMEOUT).or_else(|| {
            run.process.kill();
            run.process.wait(KILL_TIMEOUT)
        })
    }

    /// Cleans up after a sidecar that has ended or closed its stdout, and fails its requests.
    fn lost(&self, run: &Run, ready_for: Duration, why: Option<String>) -> End {
        self.shared.disconnect();
        run.queue.close();
        let status = run.process.wait(STOP_TIMEOUT).or_else(|| {
            run.process.kill();
            run.process.wait(KILL_TIMEOUT)
        });
        // The log ends with the last process that has it open, which need not be the sidecar.
        let _ = run.log.recv_timeout(LOG_DRAIN_TIMEOUT);
        let message = why.unwrap_or_else(|| match status {
            Some(status) => format!("The sidecar has ended ({status})."),
            None => "The sidecar has ended.".into(),
        });
        self.shared.in_flight.sidecar_ended(&Failure::Ended(message.clone()));
        End::Lost { cause: Cause { message, log_tail: run.tail.lines() }, ready_for, hopeless: false }
    }

    fn publish(&self, state: State, connection: Option<Connection>) {
        self.shared.set(state.clone(), connection);
        (self.settings.on_state)(&state);
    }
}

fn lost_before_ready(cause: Cause, hopeless: bool) -> End {
    End::Lost { cause, ready_for: Duration::ZERO, hopeless }
}

/// A file that is missing or not executable will be the same a second later.
fn is_hopeless(error: &std::io::Error) -> bool {
    use std::io::ErrorKind::{NotFound, PermissionDenied};
    matches!(error.kind(), NotFound | PermissionDenied)
}

fn soon() -> Option<Instant> {
    Some(Instant::now() + QUEUE_TIMEOUT)
}

fn spawn(name: &str, work: impl FnOnce() + Send + 'static) -> std::io::Result<()> {
    thread::Builder::new().name(name.into()).spawn(work).map(drop)
}

fn panic_message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_default()
}

impl Exchange {
    /// A request of the supervisor, without events.
    fn unsent(method: &str) -> Self {
        Self::new(method, &Map::new(), None)
    }
}
