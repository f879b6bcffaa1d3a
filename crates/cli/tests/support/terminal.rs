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
            assert!(since.elapsed() < Duration::from_secs(60), "no {text:?} in {screen:?}");
            thread::sleep(Duration::from_millis(20));
        }
    }
}

impl User {
    /// Waits until this stands somewhere on the screen, and gives its lines.
    pub(crate) fn looks_at(&self, text: &str) -> Vec<String> {
        let since = Instant::now();
        loop {
            let lines = picture(&self.screen.lock().unwrap());
            if lines.iter().any(|line| line.contains(text)) {
                return lines;
            }
            let shown = lines.join("\n");
            assert!(since.elapsed() < Duration::from_secs(60), "no {text:?} in\n{shown}");
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

/// What a screen shows after all that a program has written to it: the lines, as far as the program places text by `CSI
/// row ; column H`, clears, and writes on.
pub(crate) fn picture(written: &str) -> Vec<String> {
    let mut lines: Vec<Vec<char>> = Vec::new();
    let (mut row, mut column) = (0, 0);
    let mut rest = written.chars().peekable();
    while let Some(char) = rest.next() {
        if char == '\x1b' && rest.next_if_eq(&'[').is_some() {
            let mut words = String::new();
            let end = rest.by_ref().find(|it| {
                words.push(*it);
                it.is_ascii_alphabetic()
            });
            let number = |it: Option<&str>| it.and_then(|it| it.parse::<usize>().ok()).unwrap_or(1);
            let mut numbers =
                words.trim_end_matches(|it: char| it.is_ascii_alphabetic()).split(';');
            match end {
                Some('H') => {
                    row = number(numbers.next()) - 1;
                    column = number(numbers.next()) - 1;
                }
                Some('J') => lines.clear(),
                Some('h') if words == "?1049h" => lines.clear(),
                _ => {}
            }
        } else if char == '\r' {
            column = 0;
        } else if char == '\n' {
            row += 1;
        } else if !char.is_control() {
            lines.resize(lines.len().max(row + 1), Vec::new());
            let line = &mut lines[row];
            line.resize(line.len().max(column + 1), ' ');
            line[column] = char;
            column += 1;
        }
    }
    lines
        .into_iter()
        .map(|line| line.into_iter().collect::<String>().trim_end().to_owned())
        .collect()
}
