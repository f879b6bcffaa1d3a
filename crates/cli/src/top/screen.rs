//! The loop that owns the terminal.

use std::io::{self, IsTerminal, Stdout};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, raise};
use ratatui::Terminal;
use ratatui::backend::CrosstermBackend;
use ratatui::crossterm::event::{self, Event};
use ratatui::crossterm::{cursor, execute, terminal};
use redistrib_ops::{Cancel, Stop, Watch};

use super::draw::{Scene, Theme, draw, steps};
use super::history::History;
use super::view::{View, Wish};

/// How long a key is waited for before it is looked whether the program is to end.
const LOOK: Duration = Duration::from_millis(100);

/// The terminal while it is ours. It is given back when this is dropped, and on a panic.
struct Screen {
    terminal: Terminal<CrosstermBackend<Stdout>>,
}

impl Screen {
    fn take() -> io::Result<Self> {
        enter()?;
        let terminal =
            Terminal::new(CrosstermBackend::new(io::stdout())).inspect_err(|_| leave())?;
        Ok(Self { terminal })
    }

    /// Makes way for the shell until it lets us go on.
    fn suspend(&mut self) -> io::Result<()> {
        leave();
        raise(Signal::SIGTSTP)?;
        enter()?;
        self.terminal.clear()
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        leave();
    }
}

fn enter() -> io::Result<()> {
    terminal::enable_raw_mode()?;
    execute!(io::stdout(), terminal::EnterAlternateScreen, cursor::Hide).inspect_err(|_| leave())
}

/// A terminal that is gone cannot be given back, and nothing else can be done about it.
fn leave() {
    let _ = execute!(io::stdout(), terminal::LeaveAlternateScreen, cursor::Show);
    let _ = terminal::disable_raw_mode();
}

/// A panic is told on the terminal as it was before.
fn give_back_on_panic() {
    let usual = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        leave();
        usual(panic);
    }));
}

/// Shows the cluster until the user has seen enough.
///
/// # Errors
/// Where there is no terminal, or it has gone.
pub fn run(watch: &Watch, every: Duration, theme: Theme, cancel: &Cancel) -> io::Result<()> {
    if !io::stdout().is_terminal() || !io::stdin().is_terminal() {
        return Err(io::Error::other("top needs a terminal: give --once for one picture as text"));
    }
    give_back_on_panic();
    let mut screen = Screen::take()?;
    let (mut history, mut view) = (History::default(), View::default());
    let first = watch.sample();
    let source = first.seed.clone();
    history.push(first);
    let mut due = Instant::now() + every.min(Duration::from_millis(300));
    while cancel.wish() == Stop::No {
        if Instant::now() >= due {
            due = Instant::now() + every;
            if !view.is_paused {
                history.push(watch.sample());
            }
        }
        let Some(sample) = history.last().cloned() else { return Ok(()) };
        let size = screen.terminal.size()?;
        view.steps = steps(size.width, size.height, &history);
        if view.node.is_none_or(|id| sample.node(id).is_none()) {
            view.node = sample.nodes.first().map(|it| it.node.id);
        }
        let scene =
            Scene { history: &history, view: &view, theme, source: &source, has_keys: true };
        screen.terminal.draw(|frame| {
            let area = frame.area();
            draw(frame.buffer_mut(), area, &scene);
        })?;
        let wait = due.saturating_duration_since(Instant::now()).min(LOOK);
        if !event::poll(wait)? {
            continue;
        }
        if let Event::Key(key) = event::read()? {
            match view.press(key, &sample) {
                Some(Wish::Quit) => return Ok(()),
                Some(Wish::Suspend) => screen.suspend()?,
                Some(Wish::Redraw) => screen.terminal.clear()?,
                None => {}
            }
        }
    }
    Ok(())
}
