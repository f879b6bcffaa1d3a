//! Transcripts of sessions with redis-cli, replayed line by line.
use std::io::Write;
use std::os::unix::process::CommandExt;
use std::process::{Command, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// What the session itself says to a line `:next`, whatever the server: it divides two commands' output.
const MARK: &str = "unknown redis-cli internal command ':next'\n";
/// How long a state that has to come about is waited for.
const PATIENCE: Duration = Duration::from_secs(60);

/// The program under redis-cli's name, with the terminal's form of output.
pub(crate) fn redis_cli(args: &[String]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_redis-trib"));
    command.arg0("redis-cli").args(args).env("FAKETTY", "1").env_remove("REDISCLI_AUTH");
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Runs redis-cli with these lines on standard input.
pub(crate) fn run(mut command: Command, input: &[u8]) -> Output {
    let mut child = command.spawn().unwrap();
    let _ = child.stdin.take().unwrap().write_all(input);
    child.wait_with_output().unwrap()
}

/// Words of a command line of options.
pub(crate) fn options(line: &str) -> Vec<String> {
    line.split_whitespace().map(str::to_owned).collect()
}

/// What each of these commands prints, in one session.
pub(crate) fn session(args: &[String], commands: &[&str]) -> Vec<String> {
    let mut input = String::new();
    for command in commands {
        input.push_str(&format!("{command}\n:next\n"));
    }
    let output = run(redis_cli(args), input.as_bytes());
    let text = String::from_utf8(output.stdout).unwrap();
    let complaints = String::from_utf8_lossy(&output.stderr).into_owned();
    let mut printed: Vec<String> = text.split(MARK).map(str::to_owned).collect();
    assert_eq!(printed.pop().as_deref(), Some(""), "{text}\n{complaints}");
    assert_eq!(printed.len(), commands.len(), "{text}\n{complaints}");
    printed
}

/// Replays a transcript: lines with `> ` are typed, the lines below each are what must be printed. `*` stands
/// for what differs from day to day, `~> ` for replies whose elements come in any order.
pub(crate) fn replay(args: &[String], transcript: &str) {
    let steps = steps(transcript);
    let commands: Vec<&str> = steps.iter().map(|step| step.command).collect();
    for (step, printed) in steps.iter().zip(session(args, &commands)) {
        step.check(&printed);
    }
}

/// Replays one command until it prints what is expected.
pub(crate) fn replay_until(args: &[String], transcript: &str) {
    let steps = steps(transcript);
    let [step] = steps.as_slice() else { panic!("one command") };
    let since = Instant::now();
    loop {
        let printed = session(args, &[step.command]).remove(0);
        if step.fits(&printed) {
            return;
        }
        assert!(since.elapsed() < PATIENCE, "{} still prints\n{printed}", step.command);
        thread::sleep(Duration::from_millis(100));
    }
}

struct Step<'a> {
    command: &'a str,
    unordered: bool,
    expected: Vec<&'a str>,
}

fn steps(transcript: &str) -> Vec<Step<'_>> {
    let mut steps: Vec<Step<'_>> = Vec::new();
    for line in transcript.lines() {
        let line = line.strip_prefix("        ").unwrap_or(line);
        if let Some(command) = line.strip_prefix("> ").or_else(|| line.strip_prefix("~> ")) {
            let unordered = line.starts_with('~');
            steps.push(Step { command, unordered, expected: Vec::new() });
        } else if let (Some(step), false) = (steps.last_mut(), line.trim().is_empty()) {
            step.expected.push(line);
        }
    }
    steps
}

impl Step<'_> {
    fn fits(&self, printed: &str) -> bool {
        let mut printed: Vec<&str> =
            printed.lines().filter(|line| !line.trim().is_empty()).collect();
        let mut expected = self.expected.clone();
        if self.unordered {
            let element =
                |line: &mut &str| *line = line.split_once(") ").map_or(*line, |(_, rest)| rest);
            printed.iter_mut().for_each(element);
            expected.iter_mut().for_each(element);
            printed.sort_unstable();
            expected.sort_unstable();
        }
        if expected.last() == Some(&"...") {
            expected.pop();
            printed.truncate(expected.len());
        }
        expected.len() == printed.len()
            && expected.iter().zip(&printed).all(|(pattern, line)| fits(pattern, line))
    }

    fn check(&self, printed: &str) {
        assert!(
            self.fits(printed),
            "{} printed\n{printed}\ninstead of\n{}",
            self.command,
            self.expected.join("\n")
        );
    }
}

/// Whether a line is as the pattern says, `*` standing for anything.
fn fits(pattern: &str, line: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(mut rest) = line.strip_prefix(parts.next().unwrap()) else { return false };
    let mut parts = parts.peekable();
    if parts.peek().is_none() {
        return rest.is_empty();
    }
    while let Some(part) = parts.next() {
        if parts.peek().is_none() {
            return rest.ends_with(part);
        }
        let Some(at) = rest.find(part) else { return false };
        rest = &rest[at + part.len()..];
    }
    true
}
