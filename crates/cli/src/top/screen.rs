//! The loop that owns the terminal.

use std::env;
use std::io::{self, IsTerminal, Stdout};
use std::mem::ManuallyDrop;
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SigSet, Signal, raise};
use ratatui::Terminal;
use ratatui::backend::CrosstermBackend;
use ratatui::crossterm::event::{self, Event, KeyEvent};
use ratatui::crossterm::{cursor, execute, terminal};
use redistrib_ops::{Cancel, Stop};

use super::draw::{Scene, Theme, draw, steps};
use super::history::History;
use super::rows;
use super::source::SampleSource;
use super::view::{TopView, Wish};
use crate::interrupt::{ENDING, end_by};

/// How long a key is waited for before it is looked whether the program is to end.
const LOOK: Duration = Duration::from_millis(100);

/// The terminal while it is ours. It is given back when this is dropped, and on a panic.
struct Screen {
    /// Not dropped: it would print that it cannot show the cursor of a terminal that is gone, and printing there panics.
    terminal: ManuallyDrop<Terminal<CrosstermBackend<Stdout>>>,
}

impl Screen {
    fn take() -> io::Result<Self> {
        enter()?;
        let terminal =
            Terminal::new(CrosstermBackend::new(io::stdout())).inspect_err(|_| leave())?;
        Ok(Self { terminal: ManuallyDrop::new(terminal) })
    }

    /// Makes way for the shell until it lets us continue.
    fn suspend(&mut self) -> io::Result<()> {
        leave();
        raise(Signal::SIGTSTP)?;
        self.resume()
    }

    /// Takes back a terminal that others had meanwhile: the process was stopped, and goes on.
    fn resume(&mut self) -> io::Result<()> {
        leave();
        enter()?;
        self.clear()
    }

    /// Has all drawn anew. `Terminal::clear` would ask the terminal where its cursor is, and fail where that takes long to answer.
    fn clear(&mut self) -> io::Result<()> {
        let size = self.terminal.size()?;
        self.terminal.resize(size.into())
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        leave();
    }
}

/// Whether the terminal is ours: what was given back must not be cleared.
static IS_OURS: AtomicBool = AtomicBool::new(false);
/// Whether the process was stopped and goes on.
static GOES_ON: AtomicBool = AtomicBool::new(false);

fn enter() -> io::Result<()> {
    terminal::enable_raw_mode()?;
    IS_OURS.store(true, Ordering::Relaxed);
    execute!(io::stdout(), terminal::EnterAlternateScreen, cursor::Hide).inspect_err(|_| leave())
}

/// A terminal that is gone cannot be given back, and nothing else can be done about it. What is not cleared before tmux 3.3
/// leaves behind where its window was resized.
fn leave() {
    if IS_OURS.swap(false, Ordering::Relaxed) {
        let clear = terminal::Clear(terminal::ClearType::All);
        let _ = execute!(
            io::stdout(),
            clear,
            cursor::MoveTo(0, 0),
            terminal::LeaveAlternateScreen,
            cursor::Show
        );
        let _ = terminal::disable_raw_mode();
    }
}

/// Gives the terminal back before the process ends without coming to the end of [`run`]: nobody draws on it any more.
pub fn give_back_for_good() {
    let _held = ManuallyDrop::new(io::stdout().lock());
    leave();
}

/// A panic is printed on the terminal as it was before.
fn give_back_on_panic() {
    let usual = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        leave();
        usual(panic);
    }));
}

/// Shows what a source gives until the user has seen enough, after [`prepare`].
///
/// # Errors
/// Where the terminal has gone; those of [`SampleSource::next_sample`].
pub fn run(
    source: &mut SampleSource,
    view: TopView,
    every: Duration,
    theme: Theme,
    cancel: &Cancel,
) -> anyhow::Result<()> {
    let mut show = Show { history: History::default(), view, source, theme };
    show.go_on()?;
    give_back_on_panic();
    let mut screen = Screen::take()?;
    let mut due = Instant::now() + every;
    // What was drawn last holds until there is something new: drawing takes longer than anything else here.
    let mut drawn = None;
    while cancel.requested() == Stop::No {
        if Instant::now() >= due {
            due = Instant::now() + every;
            // What is recorded has no gap where somebody looks at a picture for a while.
            if !show.view.is_paused || show.source.is_live() {
                show.go_on()?;
                drawn = drawn.filter(|_| show.view.is_paused);
            }
        }
        if GOES_ON.swap(false, Ordering::Relaxed) {
            screen.resume()?;
            drawn = None;
        }
        let size = screen.terminal.size()?;
        if drawn != Some(size) {
            show.draw(&mut screen)?;
            drawn = Some(size);
        }
        let wait = due.saturating_duration_since(Instant::now()).min(LOOK);
        for key in next_keys(wait)? {
            drawn = None;
            match show.press(key) {
                Some(Wish::Quit) => return Ok(()),
                Some(Wish::Suspend) => screen.suspend()?,
                Some(Wish::Redraw) => screen.clear()?,
                Some(Wish::Seek(by)) => show.seek(by)?,
                None => {}
            }
        }
    }
    Ok(())
}

/// Looks whether there is a terminal to draw on, and sees to it that it is given back and drawn anew whatever signals come. To be
/// called before the process has a second thread.
///
/// # Errors
/// Where there is no terminal that can place text; those of the system calls.
pub fn prepare() -> anyhow::Result<()> {
    let has_terminal = io::stdout().is_terminal() && io::stdin().is_terminal();
    anyhow::ensure!(has_terminal, "top needs a terminal: give --once for one picture as text");
    let is_dumb = env::var_os("TERM").is_some_and(|term| term == "dumb");
    anyhow::ensure!(
        !is_dumb,
        "top needs a terminal that can place text, and this one says that it cannot (TERM=dumb): give --once for one picture as text"
    );
    let heeded: SigSet = [Signal::SIGCONT, Signal::SIGQUIT].into_iter().collect();
    let mut blocked = heeded;
    // The news of a resize is kept from crossterm: a key that is pressed at the same time would not be read before the next key.
    // The size is looked at in each round anyway.
    blocked.add(Signal::SIGWINCH);
    // What another thread waits for: this one's would be ended by it.
    blocked.extend(ENDING);
    blocked.thread_block()?;
    thread::Builder::new().spawn(move || heed(heeded))?;
    Ok(())
}

/// Notices that the process goes on after it was stopped, and that it is to leave a core behind.
fn heed(signals: SigSet) {
    while let Ok(signal) = signals.wait() {
        if signal == Signal::SIGCONT {
            GOES_ON.store(true, Ordering::Relaxed);
            continue;
        }
        give_back_for_good();
        end_by(signal);
    }
}

/// The keys that are pressed within this time. Of a terminal that is gone crossterm would read nothing for ever, so it is
/// looked whether there is something to read first.
fn next_keys(wait: Duration) -> io::Result<Vec<KeyEvent>> {
    let keyboard = io::stdin();
    let mut watched = [PollFd::new(keyboard.as_fd(), PollFlags::POLLIN)];
    let wait = PollTimeout::try_from(wait).unwrap_or(PollTimeout::ZERO);
    match poll(&mut watched, wait) {
        Err(Errno::EINTR) | Ok(0) => return Ok(Vec::new()),
        other => other?,
    };
    let seen = watched[0].revents().unwrap_or(PollFlags::POLLERR);
    if !seen.contains(PollFlags::POLLIN) || seen.contains(PollFlags::POLLHUP) {
        return Err(io::Error::new(io::ErrorKind::BrokenPipe, "the terminal is gone"));
    }
    let (mut keys, mut wait) = (Vec::new(), LOOK);
    while event::poll(wait)? {
        if let Event::Key(key) = event::read()? {
            keys.push(key);
        }
        wait = Duration::ZERO;
    }
    Ok(keys)
}

/// What is shown.
struct Show<'a> {
    history: History,
    view: TopView,
    source: &'a mut SampleSource,
    theme: Theme,
}

impl Show<'_> {
    fn go_on(&mut self) -> anyhow::Result<()> {
        self.source.look_at(self.view.focus());
        let sample = self.source.next_sample()?.filter(|_| !self.view.is_paused);
        sample.into_iter().for_each(|sample| self.history.push(sample));
        Ok(())
    }

    fn seek(&mut self, by: i64) -> anyhow::Result<()> {
        if let Some(history) = self.source.seek(by)? {
            self.history = history;
            self.view.is_paused = true;
        }
        Ok(())
    }

    fn press(&mut self, key: KeyEvent) -> Option<Wish> {
        self.view.press(key, &self.history)
    }

    fn draw(&mut self, screen: &mut Screen) -> io::Result<()> {
        let Some(sample) = self.history.last().cloned() else { return Ok(()) };
        let size = screen.terminal.size()?;
        self.view.steps = steps(size.width, size.height, &self.history);
        if self.view.node.is_none_or(|id| sample.node(id).is_none()) {
            self.view.node = rows::sorted(&sample, self.history.shards(), &self.view)
                .first()
                .map(|it| it.node.id);
        }
        let label = self.source.label(&sample.seed);
        let (history, view, theme) = (&self.history, &self.view, self.theme);
        let scene = Scene { history, view, theme, source: &label, has_keys: true };
        screen.terminal.draw(|frame| {
            let area = frame.area();
            draw(frame.buffer_mut(), area, &scene);
        })?;
        Ok(())
    }
}
