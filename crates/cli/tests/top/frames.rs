//! Pictures of one sample on screens of every size, and what keys do.

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use redistrib_cli::top::{History, Page, Panel, Scene, Theme, View, Wish, frame, picture, steps};
use redistrib_ops::model::sample::Sample;

const SAMPLE: &str = include_str!("sample.json");
/// What the terminal is not to obey, what is wider than it seems, and what is longer than any screen.
const HOSTILE: [&str; 5] = [
    "\\u001b[2J\\u0007\\u202ehost",
    "ホスト名🦀é",
    "",
    "<&>\\u0000\\n\\r\\t",
    "long-long-long-long-long-long-long-long-long-long-name-",
];

fn history_of(text: &str) -> History {
    let mut history = History::default();
    let sample: Sample = serde_json::from_str(text).unwrap();
    // The second time what the first lacks has happened.
    let mut before = sample.clone();
    before.holder = None;
    before.nodes.truncate(4);
    before.elapsed_ms -= 10_000;
    history.push(before);
    history.push(sample);
    history
}

fn scene<'a>(history: &'a History, view: &'a View) -> Scene<'a> {
    Scene { history, view, theme: Theme::Plain, source: "10.0.0.1:7000", has_keys: true }
}

/// The frame says what is wrong, and where; a person who knows nothing of the cluster could tell it from here.
#[test]
fn a_cluster_that_is_ill_looks_so() {
    let history = history_of(SAMPLE);
    let shown = frame(&scene(&history, &View::default()), 100, 36).join("\n");
    let expected = include_str!("ill.txt");
    assert_eq!(shown.trim_end(), expected.trim_end(), "\n{shown}");
}

#[test]
fn every_screen_gets_a_picture() {
    let mut histories: Vec<History> = vec![history_of(SAMPLE), History::default()];
    for name in HOSTILE {
        let text =
            SAMPLE.replace("10.0.0.2", name).replace("snapshotting", name).replace("admin", name);
        histories.push(history_of(&text.replace("\"ops\": 9000", "\"ops\": 18446744073709551615")));
    }
    let pages = [Page::Cluster, Page::Help, Page::Node, Page::Plan];
    let sizes = (1..=250).map(|width| (width, 1 + width * 7 % 80));
    let sizes = sizes.chain((1..=80).map(|height| (1 + height * 11 % 250, height)));
    let sizes = sizes.chain([(20, 5), (80, 24), (250, 80), (1, 1), (250, 1), (1, 80)]);
    for (turn, (width, height)) in sizes.enumerate() {
        let history = &histories[turn % histories.len()];
        let node = history.last().and_then(|sample| Some(sample.nodes.get(turn % 6)?.node.id));
        let view = View {
            page: pages[turn / 3 % pages.len()],
            panel: if turn % 2 == 0 { Panel::Slots } else { Panel::Nodes },
            slot: u16::try_from(turn * 97 % 16384).unwrap(),
            scroll: u16::try_from(turn % 50).unwrap(),
            is_typing: turn % 5 == 0,
            filter: if turn % 7 == 0 { "mas".into() } else { String::new() },
            node,
            ..View::default()
        };
        let scene = scene(history, &view);
        let lines = frame(&scene, width, height);
        assert_eq!(lines.len(), usize::from(height));
        for line in &lines {
            assert!(line.chars().count() <= usize::from(width), "{width}x{height}: {line:?}");
            let obeyed = |c: char| c.is_control() || matches!(c, '\u{202a}'..='\u{202e}');
            assert!(!line.chars().any(obeyed), "{width}x{height}: {line:?}");
        }
        let (step, down) = steps(width, height, history);
        assert!(step > 0 && down >= step);
        if turn % 10 == 0 {
            let svg = picture(&scene, width, height);
            assert!(!svg.contains("<&>") && svg.ends_with("</svg>\n"));
        }
    }
}

fn key(code: KeyCode) -> KeyEvent {
    KeyEvent::new(code, KeyModifiers::NONE)
}

#[test]
fn keys_do_what_they_say() {
    let history = history_of(SAMPLE);
    let mut view = View::default();
    let address = |view: &View| {
        let sample = history.last().unwrap();
        sample.node(view.node.unwrap()).unwrap().address.clone()
    };
    for (code, expected) in [
        (KeyCode::Down, "10.0.0.1:7000"),
        (KeyCode::Down, "10.0.0.4:7000"),
        (KeyCode::End, "10.0.0.6:7000"),
        (KeyCode::Down, "10.0.0.6:7000"),
        (KeyCode::Char('r'), "10.0.0.6:7000"),
        (KeyCode::Down, "10.0.0.3:7000"),
        (KeyCode::Home, "10.0.0.6:7000"),
    ] {
        assert_eq!(view.press(key(code), &history), None);
        assert_eq!(address(&view), expected, "{code:?}");
    }
    "/MASTER\n".chars().for_each(|it| {
        let code = if it == '\n' { KeyCode::Enter } else { KeyCode::Char(it) };
        assert_eq!(view.press(key(code), &history), None);
    });
    assert!(view.filter == "MASTER" && !view.is_typing);
    let shown = frame(&scene(&history, &view), 100, 30).join("\n");
    assert!(shown.contains("/MASTER 3 of 6") && !shown.contains("replica up"), "{shown}");
    view.press(key(KeyCode::Esc), &history);
    assert_eq!(view.filter, "");

    view.press(key(KeyCode::Tab), &history);
    view.press(key(KeyCode::End), &history);
    view.press(key(KeyCode::Right), &history);
    assert_eq!(view.slot, 16383);
    view.press(key(KeyCode::PageUp), &history);
    assert!(view.slot < 16383);
    for (code, modifiers, wish) in [
        (KeyCode::Char('q'), KeyModifiers::NONE, Wish::Quit),
        (KeyCode::Char('c'), KeyModifiers::CONTROL, Wish::Quit),
        (KeyCode::Char('z'), KeyModifiers::CONTROL, Wish::Suspend),
        (KeyCode::Char('<'), KeyModifiers::NONE, Wish::Seek(-60)),
    ] {
        assert_eq!(view.press(KeyEvent::new(code, modifiers), &history), Some(wish));
    }
}

#[test]
fn plans_are_told_with_their_command_lines() {
    let history = history_of(SAMPLE);
    let dead = history.last().unwrap().nodes[2].node.id;
    let view = View { page: Page::Plan, node: Some(dead), ..View::default() };
    let shown = frame(&scene(&history, &view), 160, 50).join("\n");
    assert!(shown.contains("redis-trib failover 10.0.0.6:7000 --force"), "{shown}");
    assert!(shown.contains("redis-trib rebalance 10.0.0.1:7000"), "{shown}");
    // A name that a shell would obey is in no line to copy.
    let history = history_of(&SAMPLE.replace("10.0.0.6", "$(reboot)"));
    let shown = frame(&scene(&history, &view), 160, 50).join("\n");
    let mut lines = shown.lines().filter(|line| line.starts_with("  redis-trib"));
    assert!(lines.clone().any(|line| line.contains("redis-trib failover ffff")), "{shown}");
    assert!(lines.all(|line| !line.contains('$')), "{shown}");
}
