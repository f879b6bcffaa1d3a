//! The program, as a user runs it.

use std::io::Read;
use std::net::Shutdown;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::process::{Child, Command, Stdio};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use redistrib_benches::stage::Stage;

/// No run that is not stopped may take longer.
const LIMIT: Duration = Duration::from_secs(120);

/// How a run is made to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// `kill -9`.
    Kill,
    Terminate,
    /// Told to, and at once told again.
    TerminateAtOnce,
    HangUp,
    /// Nobody reads any more what it prints: it goes on.
    ClosedPipe,
}

impl End {
    /// One after the other.
    pub(crate) fn of(round: usize) -> Self {
        let all =
            [Self::Kill, Self::ClosedPipe, Self::Terminate, Self::HangUp, Self::TerminateAtOnce];
        all[round % all.len()]
    }
}

/// How a run ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    /// All that was printed.
    pub(crate) text: String,
    pub(crate) took: Duration,
}

impl Ended {
    #[track_caller]
    pub(crate) fn succeeded(self) -> Self {
        assert_eq!(self.code, Some(0), "{}", self.text);
        self
    }

    /// A failure that the tool itself reports: no crash, no silence.
    #[track_caller]
    pub(crate) fn failed(self) -> Self {
        assert_eq!(self.code, Some(1), "{}", self.text);
        assert!(!self.text.contains("panicked"), "{}", self.text);
        self
    }

    #[track_caller]
    pub(crate) fn says(self, what: &str) -> Self {
        assert!(self.text.contains(what), "no {what:?} in: {}", self.text);
        self
    }
}

/// A run under way.
#[derive(Debug)]
pub(crate) struct Running {
    child: Child,
    outputs: Vec<UnixStream>,
    readers: Vec<JoinHandle<String>>,
    since: Instant,
}

/// Starts the program. It writes into sockets, since these can be closed while somebody waits for what comes.
pub(crate) fn start<A: AsRef<str>>(words: &[A]) -> Running {
    let mut command = Command::new(env!("CARGO_BIN_EXE_redis-trib"));
    command.args(words.iter().map(AsRef::as_ref)).stdin(Stdio::null());
    let [(out, ours), (err, theirs)] = [(); 2].map(|()| UnixStream::pair().unwrap());
    command.stdout(OwnedFd::from(out)).stderr(OwnedFd::from(err));
    let child = command.spawn().unwrap();
    let outputs = vec![ours, theirs];
    let readers = outputs.iter().map(collect).collect();
    Running { child, outputs, readers, since: Instant::now() }
}

fn collect(output: &UnixStream) -> JoinHandle<String> {
    let mut output = output.try_clone().unwrap();
    thread::spawn(move || {
        let mut text = Vec::new();
        output.read_to_end(&mut text).unwrap();
        String::from_utf8_lossy(&text).into_owned()
    })
}

/// Runs the program to its end.
pub(crate) fn trib<A: AsRef<str>>(words: &[A]) -> Ended {
    start(words).wait()
}

impl Running {
    /// Waits for the end.
    #[track_caller]
    pub(crate) fn wait(mut self) -> Ended {
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                let text = self.readers.drain(..).map(|reader| reader.join().unwrap());
                let (text, took) = (text.collect(), self.since.elapsed());
                return Ended { code: status.code(), text, took };
            }
            if self.since.elapsed() > LIMIT {
                let ended = self.kill();
                panic!("still running after {} s: {}", LIMIT.as_secs(), ended.text);
            }
            thread::sleep(Duration::from_millis(2));
        }
    }

    /// Ends it, or closes its pipe, and waits for the end.
    #[track_caller]
    pub(crate) fn stop(mut self, end: End) -> Ended {
        match end {
            End::Kill => return self.kill(),
            End::Terminate => self.signal("TERM"),
            End::TerminateAtOnce => [(); 2].iter().for_each(|()| self.signal("TERM")),
            End::HangUp => self.signal("HUP"),
            End::ClosedPipe => {
                self.outputs.iter().for_each(|output| output.shutdown(Shutdown::Both).unwrap());
            }
        }
        self.wait()
    }

    fn signal(&mut self, name: &str) {
        // As long as nobody has waited for its end, its number is its own.
        let id = self.child.id().to_string();
        Command::new("kill").args(["-s", name, &id]).status().unwrap();
    }

    /// `kill -9`.
    pub(crate) fn kill(mut self) -> Ended {
        // It may have ended by itself.
        let _ = self.child.kill();
        let status = self.child.wait().unwrap();
        let text = self.readers.drain(..).map(|reader| reader.join().unwrap()).collect();
        Ended { code: status.code(), text, took: self.since.elapsed() }
    }

    pub(crate) fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }
}

/// `reshard` of so many slots from one of the stage's masters to another, without questions.
pub(crate) fn reshard(stage: &Stage, from: usize, to: usize, slots: usize) -> Vec<String> {
    reshard_at(&stage.address(from), stage, from, to, slots)
}

/// The same, for an admin who knows the cluster by this address.
pub(crate) fn reshard_at(
    seed: &str,
    stage: &Stage,
    from: usize,
    to: usize,
    slots: usize,
) -> Vec<String> {
    let (from, to, slots) = (stage.id(from), stage.id(to), slots.to_string());
    let words = ["reshard", seed, "--from", &from, "--to", &to, "--slots", &slots, "--yes"];
    words.map(str::to_owned).to_vec()
}

/// `fix` without questions.
pub(crate) fn fix(seed: &str) -> Vec<String> {
    ["fix", seed, "--yes"].map(str::to_owned).to_vec()
}

/// Adds words to a command line.
pub(crate) fn with(mut words: Vec<String>, more: &[&str]) -> Vec<String> {
    words.extend(more.iter().map(|word| (*word).to_owned()));
    words
}
