//! A user at a terminal of its own, which util-linux's `script` makes.

use std::fs;
use std::io::{Read, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

/// A user at a terminal.
#[derive(Debug)]
pub(crate) struct User {
    /// What runs there: `script`.
    pub(crate) child: Child,
    keyboard: ChildStdin,
    /// All that was shown so far.
    pub(crate) screen: Arc<Mutex<String>>,
    /// How much of the screen has been read.
    pub(crate) read: usize,
}

impl User {
    /// Sits down before the program with these arguments.
    ///
    /// The shell that `script` starts makes way by `exec`: one that stays on the terminal gets the Ctrl-C too,
    /// and some (dash) end with it.
    pub(crate) fn sit_down(arguments: &str, history: &Path) -> Self {
        let program = env!("CARGO_BIN_EXE_redis-trib");
        Self::run(&format!("exec {program} {arguments}"), history)
    }

    /// Has the shell run a line.
    pub(crate) fn run(line: &str, history: &Path) -> Self {
        let mut child = Command::new("script")
            .args(["-qefc", line, "/dev/null"])
            .env("SHELL", "/bin/sh")
            .env("TERM", "xterm")
            .env("REDISCLI_HISTFILE", history)
            .env_remove("REDISCLI_AUTH")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("these tests need util-linux's `script`: {error}"));
        let keyboard = child.stdin.take().unwrap();
        let mut output = child.stdout.take().unwrap();
        let screen = Arc::new(Mutex::new(String::new()));
        let shown = screen.clone();
        thread::spawn(move || {
            let mut bytes = [0; 4096];
            while let Ok(count @ 1..) = output.read(&mut bytes) {
                shown.lock().unwrap().push_str(&String::from_utf8_lossy(&bytes[..count]));
            }
        });
        Self { child, keyboard, screen, read: 0 }
    }

    /// Presses these keys.
    pub(crate) fn types(&mut self, keys: &str) {
        self.keyboard.write_all(keys.as_bytes()).unwrap();
    }

    /// Waits until a line is asked for. Every key draws the prompt anew, but only on a new line nothing stands
    /// behind it before the cursor is put there.
    pub(crate) fn is_asked(&mut self, prompt: &str) {
        self.sees(&format!("{prompt}\r\x1b["));
    }

    /// Sends the program a SIGINT that is no key.
    pub(crate) fn signals(&self) {
        send("-INT", &only_child(&self.child.id().to_string()));
    }

    /// Waits until the program has ended, and tells whether it says that all went well.
    pub(crate) fn leaves(&mut self) -> bool {
        self.child.wait().unwrap().success()
    }

    /// Waits until this is shown, behind what was seen before.
    pub(crate) fn sees(&mut self, text: &str) {
        let since = Instant::now();
        loop {
            let screen = self.screen.lock().unwrap().clone();
            if let Some(at) = screen[self.read..].find(text) {
                self.read += at + text.len();
                return;
            }
            assert!(since.elapsed() < Duration::from_secs(20), "no {text:?} in {screen:?}");
            thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for User {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The process id of a process's child.
pub(crate) fn only_child(pid: &str) -> String {
    let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"));
    children.unwrap().trim().to_owned()
}

/// Sends a process a signal.
pub(crate) fn send(signal: &str, pid: &str) {
    assert!(Command::new("kill").args([signal, pid]).status().unwrap().success());
}
