//! One run of a program: how long it took, and how much memory.

use std::fs;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};

/// No run takes longer.
const LIMIT: Duration = Duration::from_secs(900);

/// What was measured.
#[derive(Clone, Copy, Debug)]
pub struct Measure {
    /// From its start to its end.
    pub wall: Duration,
    /// The most memory that it had, in KiB; 0 where the system does not say.
    pub memory: u64,
}

/// Runs a command to its end, its output thrown away.
///
/// # Errors
/// Where it cannot be started, fails, or takes longer than 15 minutes.
pub fn run(command: &mut Command) -> anyhow::Result<Measure> {
    let shown = format!("{command:?}");
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    let began = Instant::now();
    let mut child = command.spawn().with_context(|| shown.clone())?;
    let mut memory = 0;
    let status = loop {
        // Asked before the end is looked for: afterwards the system has forgotten it.
        memory = peak_memory(child.id()).unwrap_or(memory);
        if let Some(status) = child.try_wait()? {
            break status;
        }
        if began.elapsed() > LIMIT {
            child.kill()?;
            child.wait()?;
            bail!("{shown} took longer than {} s", LIMIT.as_secs());
        }
        thread::sleep(Duration::from_millis(2));
    };
    let wall = began.elapsed();
    if !status.success() {
        let mut text = String::new();
        if let Some(mut errors) = child.stderr.take() {
            std::io::Read::read_to_string(&mut errors, &mut text)?;
        }
        bail!("{shown}: {status}: {text}");
    }
    Ok(Measure { wall, memory })
}

/// The high-water mark of a process's resident memory, in KiB, where the system says.
pub fn peak_memory(process: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.split_whitespace().next()?.parse().ok()
}
