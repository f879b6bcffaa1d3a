//! Pictures of one sample on screens of every size, and what keys do.

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use redistrib_cli::top::{
    History, Page, Panel, Scene, Shade, Theme, TopView, Wish, frame, picture, steps,
};
use redistrib_ops::model::Slot;
use redistrib_ops::model::sample::{Busy, Figures, NodeState, Sample, SlotStats};

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
    before.at_ms -= 10_000;
    history.push(before);
    history.push(sample);
    history
}

/// A sample in which a node tells of slots, so long after the first.
fn told_of_slots(text: &str, after_ms: u64, told: &[SlotStats]) -> Sample {
    let mut sample: Sample = serde_json::from_str(text).unwrap();
    sample.elapsed_ms += after_ms;
    sample.at_ms += after_ms;
    sample.nodes[0].detail.slots = told.to_vec();
    sample
}

fn scene<'a>(history: &'a History, view: &'a TopView) -> Scene<'a> {
    Scene { history, view, theme: Theme::Plain, source: "10.0.0.1:7000", has_keys: true }
}

/// The frame says what is wrong, and where; a person who knows nothing of the cluster could tell it from here.
#[test]
fn a_cluster_that_is_ill_looks_so() {
    let history = history_of(SAMPLE);
    let shown = frame(&scene(&history, &TopView::default()), 100, 36).join("\n");
    let expected = include_str!("ill.txt");
    assert_eq!(shown.trim_end(), expected.trim_end(), "\n{shown}");
}

/// The screens were taken by tmux while a recording of real servers was played: slots had moved, and then a master was killed.
#[test]
fn a_screen_shows_what_a_terminal_has_shown() {
    let mut history = History::default();
    for line in include_str!("incident.jsonl").lines() {
        history.push(serde_json::from_str(line).unwrap());
    }
    let view = TopView::default();
    let source = "127.0.0.1:7000 recorded, 2 of 2";
    let scene = Scene { source, ..scene(&history, &view) };
    for (width, height, taken) in [
        (80, 24, include_str!("incident-80x24.txt")),
        (120, 36, include_str!("incident-120x36.txt")),
    ] {
        let shown: Vec<String> = frame(&scene, width, height);
        let shown: Vec<&str> = shown.iter().map(|line| line.trim_end()).collect();
        let taken: Vec<&str> = taken.lines().map(str::trim_end).collect();
        assert_eq!(shown, taken, "{width}x{height}");
    }
}

#[test]
fn the_smallest_screen_says_what_is_wrong() {
    let history = history_of(SAMPLE);
    let shown = frame(&scene(&history, &TopView::default()), 20, 5);
    assert!(shown[0].starts_with("[ERR] 4 errors") && shown[1] == "[ERR] node", "{shown:?}");
    assert!(shown[2].ends_with("… 5 more") && shown[4].contains("10.0.0.1:7000"), "{shown:?}");
}

/// A node that has not been asked is neither well nor ill, and that it answers is no news.
#[test]
fn nodes_that_are_still_to_be_asked_are_told_apart() {
    let mut sample: Sample = serde_json::from_str(SAMPLE).unwrap();
    sample.findings.clear();
    sample.nodes.iter_mut().for_each(|it| (it.state, it.failure) = (NodeState::Up, None));
    let mut before = sample.clone();
    before.nodes[1].state = NodeState::Unasked;
    let mut history = History::default();
    let mut look = |sample| {
        history.push(sample);
        frame(&scene(&history, &TopView::default()), 120, 36).join("\n")
    };
    let first = look(before);
    assert!(first.contains(" nothing is wrong so far, 1 node still to be asked"), "{first}");
    assert!(first.contains("10.0.0.2:7000 master  unasked"), "{first}");
    let second = look(sample);
    assert!(!second.contains("10.0.0.2:7000 answers again"), "{second}");
    assert!(!second.contains("10.0.0.2:7000 is up"), "{second}");
}

/// The table has a word for it, the page of a node the sentence.
#[test]
fn what_a_server_is_busy_with_is_told() {
    let mut sample: Sample = serde_json::from_str(SAMPLE).unwrap();
    sample.nodes[0].figures.busy = Some(Busy::Save);
    let node = Some(sample.nodes[0].node.id);
    let mut history = History::default();
    history.push(sample);
    let view = TopView { page: Page::Node, node, ..TopView::default() };
    let shown = frame(&scene(&history, &view), 120, 36).join("\n");
    assert!(shown.contains(", save under way"), "{shown}");
}

/// What no node reports is not nothing.
#[test]
fn totals_that_nobody_reports_are_unknown() {
    let mut sample: Sample = serde_json::from_str(SAMPLE).unwrap();
    sample.nodes.iter_mut().for_each(|it| it.figures = Figures::default());
    let mut history = History::default();
    history.push(sample);
    let shown = frame(&scene(&history, &TopView::default()), 120, 36).join("\n");
    assert!(shown.contains("? keys, ? memory, ? ops/s, in ?/s, out ?/s"), "{shown}");
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
        let view = TopView {
            page: pages[turn / 3 % pages.len()],
            shade: Shade::ALL[turn / 2 % 4],
            panel: if turn % 2 == 0 { Panel::Slots } else { Panel::Nodes },
            slot: u16::try_from(turn * 97 % 16384).unwrap(),
            scroll: u16::try_from(turn % 50).unwrap(),
            is_typing: turn % 5 == 0,
            filter: if turn % 7 == 0 { "mas".into() } else { String::new() },
            node,
            ..TopView::default()
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
        if turn % 3 == 0 {
            is_well_formed(&picture(&scene, width, height));
        }
    }
}

/// As XML, without what no reader of it takes: control characters, and signs that would begin something else.
fn is_well_formed(svg: &str) {
    assert!(svg.starts_with("<svg ") && svg.ends_with("</svg>\n"), "{svg}");
    assert!(!svg.contains(|c: char| c.is_control() && c != '\n'), "{svg:?}");
    assert_eq!(svg.matches("<text ").count(), svg.matches("</text>").count(), "{svg}");
    let is_known = |rest: &&str| {
        ["svg ", "/svg>", "rect ", "text ", "/text>"].iter().any(|it| rest.starts_with(it))
    };
    assert!(svg.split('<').skip(1).all(|rest| is_known(&rest)), "{svg}");
    let is_escape = |rest: &&str| ["amp;", "lt;", "gt;"].iter().any(|it| rest.starts_with(it));
    assert!(svg.split('&').skip(1).all(|rest| is_escape(&rest)), "{svg}");
}

#[test]
fn slots_that_carry_much_stand_out() {
    let stats = |slot: u16, keys, cpu| SlotStats {
        slot: Slot::try_from(slot).unwrap(),
        keys,
        cpu_us: Some(cpu),
        net_in: Some(cpu * 2),
        net_out: Some(0),
    };
    let mut history = History::default();
    history.push(told_of_slots(
        SAMPLE,
        0,
        &[stats(300, 7, 0), stats(400, 20, 0), stats(900, 1, 5)],
    ));
    let later = [stats(300, 7, 90_000), stats(400, 20, 10_000), stats(900, 1, 5)];
    history.push(told_of_slots(SAMPLE, 10_000, &later));
    let shown = |shade| {
        let view = TopView { shade, panel: Panel::Slots, slot: 400, ..TopView::default() };
        frame(&scene(&history, &view), 250, 36)
    };
    let [owners, keys, cpu, network] = Shade::ALL.map(shown);
    let line = |lines: &[String], text: &str| {
        let line = lines.iter().find(|line| line.contains(text));
        line.unwrap_or_else(|| panic!("no {text:?} in\n{}", lines.join("\n"))).clone()
    };
    let heading = line(&owners, "slots, ");
    let a_cell: usize = heading.split_whitespace().nth(1).unwrap().parse().unwrap();
    let cells = |lines: &[String]| {
        let line = line(lines, "    0 ");
        let cells: Vec<char> = line.chars().skip(6).collect();
        [300, 400, 900, 1200].map(|slot| cells[slot / a_cell])
    };
    assert_eq!(cells(&owners), ['A'; 4]);
    assert_eq!(cells(&keys), ['6', '9', '3', '?'], "\n{}", keys.join("\n"));
    assert_eq!(cells(&cpu), ['9', '3', '·', '?'], "\n{}", cpu.join("\n"));
    assert!(line(&cpu, "slots by cpu").contains("the hottest: 300 A 9.0 ms/s, 400 A 1.0 ms/s"));
    assert!(line(&network, "slots by network").contains("the hottest: 300 A 17.6K/s"));
    let under_cursor = line(&network, "slot 400 of cell");
    assert!(under_cursor.contains("20 keys, cpu 1.0 ms/s, in 2.0K/s, out 0B/s"), "{under_cursor}");

    // Another watch in the same file has a clock of its own.
    for (after_ms, cpu) in [(0, 0), (5000, 5_000)] {
        let mut sample = told_of_slots(SAMPLE, after_ms, &[stats(900, 1, cpu)]);
        sample.elapsed_ms -= 55_000;
        history.push(sample);
    }
    let view = TopView { shade: Shade::ALL[2], ..TopView::default() };
    line(&frame(&scene(&history, &view), 250, 36), "the hottest: 900 A 1.0 ms/s");

    let nothing = history_of(SAMPLE);
    let view = TopView { shade: Shade::ALL[2], ..TopView::default() };
    let shown = frame(&scene(&nothing, &view), 250, 36);
    line(&shown, "unknown: it takes Redis 8.2 or Valkey 8.1, and cluster-slot-stats-enabled");
}

/// Migrations of whatever tool, by what the nodes themselves tell: how fast, how long yet, and how long servers stand still.
#[test]
fn what_is_under_way_has_speed_time_and_hold_up() {
    let mut history = History::default();
    let mut look = |after_ms, left: u64, migrates, migrate_us, sync_left| {
        let mut sample = told_of_slots(SAMPLE, after_ms, &[]);
        let slots = [100, 101].map(|slot| Slot::try_from(slot).unwrap());
        sample.nodes[0].detail.open = slots.map(|slot| (slot, left / 2)).to_vec();
        sample.nodes[0].figures.migrates = Some(migrates);
        sample.nodes[0].figures.migrate_us = Some(migrate_us);
        sample.nodes[4].figures.sync_left = Some(sync_left);
        sample.jobs.clear();
        history.push(sample);
        frame(&scene(&history, &TopView::default()), 160, 40).join("\n")
    };
    let first = look(0, 5000, 10, 1000, 90 << 20);
    assert!(first.contains("10.0.0.1:7000 -> 10.0.0.2:7000: 2 open, 5.0k keys\n"), "{first}");
    let second = look(2000, 4000, 110, 301_000, 50 << 20);
    for told in [
        "2 open, 4.0k keys, 500/s, 8 s to go, held up 3.0 ms a MIGRATE, 15.0% of its time",
        "10.0.0.5:7000 is getting all its master's data, 50.0M to come, 20.0M/s, 2 s to go",
        "10.0.0.3:7000 is silent, the masters have called it failed: 10.0.0.6:7000 can take its place",
    ] {
        assert!(second.contains(told), "no {told:?} in\n{second}");
    }
}

fn key(code: KeyCode) -> KeyEvent {
    KeyEvent::new(code, KeyModifiers::NONE)
}

#[test]
fn keys_do_what_they_say() {
    let history = history_of(SAMPLE);
    let mut view = TopView::default();
    let address = |view: &TopView| {
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
    let view = TopView { page: Page::Plan, node: Some(dead), ..TopView::default() };
    let shown = frame(&scene(&history, &view), 160, 50).join("\n");
    assert!(shown.contains("redis-trib failover 10.0.0.6:7000 --force"), "{shown}");
    assert!(shown.contains("redis-trib rebalance 10.0.0.1:7000"), "{shown}");
    // A cluster that is down still has nodes to ask.
    let mut down: Sample = serde_json::from_str(SAMPLE).unwrap();
    down.nodes.iter_mut().for_each(|it| it.state = NodeState::Fail);
    let first = down.nodes[0].node.id;
    let mut history = History::default();
    history.push(down);
    let view = TopView { page: Page::Plan, node: Some(first), ..TopView::default() };
    let shown = frame(&scene(&history, &view), 160, 50).join("\n");
    assert!(shown.contains("redis-trib rebalance 10.0.0.1:7000"), "{shown}");
    let none = "no other master serves that could take slots of 10.0.0.1:7000";
    assert!(shown.contains(none), "{shown}");
    let view = TopView { page: Page::Plan, node: Some(dead), ..TopView::default() };
    // A name that a shell would obey is in no line to copy.
    let history = history_of(&SAMPLE.replace("10.0.0.6", "$(reboot)"));
    let shown = frame(&scene(&history, &view), 160, 50).join("\n");
    let mut lines = shown.lines().filter(|line| line.starts_with("  redis-trib"));
    assert!(lines.clone().any(|line| line.contains("redis-trib failover ffff")), "{shown}");
    assert!(lines.all(|line| !line.contains('$')), "{shown}");
}
