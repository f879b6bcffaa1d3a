//! The program, as a user runs it.

use std::io::Read;
use std::process::{Child, Command, Stdio};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use redistrib_benches::stage::Stage;

/// No run that is not stopped may take longer.
const LIMIT: Duration = Duration::from_secs(120);

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
    readers: Vec<JoinHandle<String>>,
    since: Instant,
}

/// Starts the program.
pub(crate) fn start<A: AsRef<str>>(words: &[A]) -> Running {
    let mut command = Command::new(env!("CARGO_BIN_EXE_redis-trib"));
    command.args(words.iter().map(AsRef::as_ref));
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let (out, err) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
    Running { child, readers: vec![collect(out), collect(err)], since: Instant::now() }
}

fn collect(mut pipe: impl Read + Send + 'static) -> JoinHandle<String> {
    thread::spawn(move || {
        let mut text = Vec::new();
        pipe.read_to_end(&mut text).unwrap();
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
