//! Running the program as a user does. Not every test needs all of it.
pub(crate) mod terminal;

use std::io::Write;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use redistrib_ops::lab::TempLab;

/// A finished run of the program.
#[derive(Debug)]
pub(crate) struct Run {
    /// Its exit code.
    pub(crate) code: i32,
    /// What it printed.
    pub(crate) stdout: String,
    /// What it complained of.
    pub(crate) stderr: String,
}

/// A command of the program with an environment that has nothing to say.
pub(crate) fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_redis-trib"));
    command
        .env_remove("REDISCLI_AUTH")
        .env_remove("VALKEYCLI_AUTH")
        .env_remove("NO_COLOR")
        // Under a peer's name colours go into pipes, too.
        .env_remove("TERM")
        .stdin(Stdio::null());
    command
}

impl From<Output> for Run {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}

/// Where the servers of a lab listen, as a user writes it.
pub(crate) fn addresses(lab: &TempLab) -> Vec<String> {
    lab.endpoints().iter().map(ToString::to_string).collect()
}

/// Runs the program with these arguments and nobody at the keyboard.
pub(crate) fn trib(args: &[&str]) -> Run {
    program().args(args).output().unwrap().into()
}

/// Runs the program with answers on its standard input.
pub(crate) fn trib_with(answers: &str, args: &[&str]) -> Run {
    let mut command = program();
    command.args(args);
    run_with(answers, command)
}

/// Runs a command with answers on its standard input.
pub(crate) fn run_with(answers: &str, mut command: Command) -> Run {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A program that does not read its answers has closed the pipe.
    let _ = child.stdin.take().unwrap().write_all(answers.as_bytes());
    child.wait_with_output().unwrap().into()
}

/// Waits until `check` finds no error, as nodes that have just come together need a moment for.
#[track_caller]
pub(crate) fn becomes_well(seed: &str) {
    let until = Instant::now() + Duration::from_secs(60);
    loop {
        let told = trib(&["check", seed]);
        if told.code == 0 {
            return;
        }
        assert!(Instant::now() < until, "not well:\n{}\n{}", told.stdout, told.stderr);
        std::thread::sleep(Duration::from_millis(20));
    }
}

impl Run {
    /// Fails the test unless the run ended with this code.
    #[track_caller]
    pub(crate) fn expect(self, code: i32) -> Self {
        assert_eq!(self.code, code, "stdout:\n{}\nstderr:\n{}", self.stdout, self.stderr);
        self
    }

    /// Fails the test unless these stand on standard output, one after the other.
    #[track_caller]
    pub(crate) fn shows(self, expected: &[&str]) -> Self {
        let mut rest = self.stdout.as_str();
        for text in expected {
            let Some((_, after)) = rest.split_once(text) else {
                panic!("{text:?} is missing in its place in:\n{}\n{}", self.stdout, self.stderr)
            };
            rest = after;
        }
        self
    }

    /// Fails the test unless standard error is one line with all of these in it.
    #[track_caller]
    pub(crate) fn complains(self, expected: &[&str]) -> Self {
        assert_eq!(self.stderr.lines().count(), 1, "{}", self.stderr);
        for text in expected {
            assert!(self.stderr.contains(text), "{text:?} is missing in {}", self.stderr);
        }
        self
    }
}
