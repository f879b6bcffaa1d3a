//! Figures of a server: how late it answers, how much it does, how well its cache works.

use std::io::{BufRead, BufReader, Read};
use std::process::Command;
use std::thread;

use crate::modes::{
    begun, fill, interrupt, our_program, ours, plain, port, prepared, printed, their_program,
    theirs,
};
use crate::replay::options;

#[test]
fn latency_is_four_numbers_in_each_form() {
    let lab = plain();
    for (form, before, between) in [
        ("", "", [" ", " ", " "]),
        ("--raw", "", [" ", " ", " "]),
        ("--csv", "", [",", ",", ","]),
        ("--json", "{\"min\": ", [", \"max\": ", ", \"avg\": ", ", \"count\": "]),
    ] {
        let args = options(&format!("-p {} --latency -i 0.05 {form}", port(&lab)));
        for (line, complaint, code) in [ours(&args), theirs(&args)] {
            assert_eq!((complaint.as_str(), code), ("", Some(0)), "{form}");
            let mut rest = line.strip_prefix(before).unwrap();
            for mark in between {
                let (number, after) = rest.split_once(mark).unwrap_or_else(|| panic!("{line}"));
                assert!(number.parse::<f64>().is_ok(), "{line}");
                rest = after;
            }
            let count = rest.trim_end_matches(['}', '\n']);
            assert!(count.parse::<u64>().unwrap() > 0, "{line}");
        }
    }
}

#[test]
fn latency_on_a_terminal_stays_in_its_line() {
    let lab = plain();
    let line = format!("-p {} --latency --no-raw", port(&lab));
    for program in [our_program(), their_program()] {
        let text = begun(program, &line, |text| text.contains("(3 samples)"));
        let last = text.rsplit("\x1b[0G\x1b[2K").find(|part| part.contains("(3 samples)"));
        let last = last.unwrap_or_else(|| panic!("{text:?}"));
        assert!(last.starts_with("min: ") && last.contains(", max: "), "{text:?}");
        assert!(!text.contains('\n'), "{text:?}");
    }
    let line = format!("-p {} --latency-history -i 0.05 --no-raw", port(&lab));
    for program in [our_program(), their_program()] {
        let text = begun(program, &line, |text| text.matches(" seconds range\n").count() == 2);
        assert!(text.contains(" samples) -- 0."), "{text:?}");
    }
}

#[test]
fn round_trips_are_shown_as_a_spectrum_of_the_same_letters() {
    let lab = plain();
    let line = format!("-p {} --latency-dist -i 0.05", port(&lab));
    let shown = |program| {
        let text = begun(program, &line, |text| text.matches("?\x1b[0m\n").count() > 20);
        let (legend, rest) = text.split_once("\x1b[38;5;0m").unwrap();
        let first = rest.lines().next().unwrap().to_owned();
        let letters = first.split("\x1b[48;5;").skip(1).map(|part| part.split_once('m').unwrap().1);
        let legends = text.matches("From 0 to 100%").count();
        (legend.to_owned(), letters.collect::<String>(), legends)
    };
    assert_eq!(shown(our_program()), shown(their_program()));
}

/// A text with every number replaced.
fn shape(text: &str) -> String {
    let mut shape = String::new();
    for letter in text.chars() {
        match letter {
            '0'..='9' | '.' if shape.ends_with('N') => {}
            '0'..='9' => shape.push('N'),
            other => shape.push(other),
        }
    }
    shape
}

#[test]
fn a_program_is_watched_without_a_server_until_its_time_is_up_or_it_is_stopped() {
    let last = |text: &str| {
        let lines: Vec<String> = text.lines().map(shape).collect();
        let from = lines.iter().rposition(|line| line.starts_with("Max latency")).unwrap();
        lines[from..].join("\n")
    };
    let args = options("--intrinsic-latency 1");
    let (ours, theirs) = (ours(&args), theirs(&args));
    assert_eq!((last(&ours.0), ours.1, ours.2), (last(&theirs.0), theirs.1, theirs.2));

    let mut command = our_program();
    let mut child = command.args(options("--intrinsic-latency 1000")).spawn().unwrap();
    let mut out = BufReader::new(child.stdout.take().unwrap());
    out.read_line(&mut String::new()).unwrap();
    interrupt(child.id());
    let mut rest = String::new();
    out.read_to_string(&mut rest).unwrap();
    assert!(rest.contains("total runs") && child.wait().unwrap().success(), "{rest}");
}

#[test]
fn a_cache_is_tried_with_keys_of_its_own() {
    let lab = plain();
    let line = format!("-p {} --lru-test 5000", port(&lab));
    // Theirs shows nothing in a pipe before a minute has passed, and then this line, too.
    let text = begun(our_program(), &line, |text| text.contains('\n'));
    let shape = shape(text.lines().next().unwrap());
    assert_eq!(shape, "N Gets/sec | Hits: N (N%) | Misses: N (N%)");
    let (keys, ..) = ours(&options(&format!("-p {} --scan", port(&lab))));
    let numbers = keys.lines().map(|key| key.strip_prefix("lru:").unwrap().parse::<u64>().unwrap());
    assert!(keys.lines().count() > 500 && numbers.max().unwrap() <= 5000);
}

#[test]
fn figures_stand_in_the_same_columns() {
    let lab = plain();
    fill(&lab, &["set a 1", "set b 2"]);
    let line = format!("-p {} --stat -i 0.05", port(&lab));
    let rows = |program| {
        let text = begun(program, &line, |text| text.lines().count() > 24);
        text.lines().take(24).map(str::to_owned).collect::<Vec<_>>()
    };
    let (ours, theirs) = (rows(our_program()), rows(their_program()));
    for (ours, theirs) in ours.iter().zip(&theirs) {
        // Where each column begins; what stands in it differs but for the first.
        let columns = |row: &str| -> Vec<usize> {
            let before = std::iter::once(' ').chain(row.chars());
            let begins = before.zip(row.chars()).map(|(before, c)| before == ' ' && c != ' ');
            begins.enumerate().filter_map(|(at, begins)| begins.then_some(at)).collect()
        };
        assert_eq!(columns(ours).get(..5), columns(theirs).get(..5), "{ours}\n{theirs}");
        assert_eq!(ours.split(' ').next(), theirs.split(' ').next());
        if ours.starts_with(['-', 'k']) {
            assert_eq!(ours, theirs);
        }
    }
}

#[test]
fn rows_of_figures_end_after_as_many_as_are_wanted() {
    let lab = plain();
    let node = lab.endpoints()[0].to_string();
    for rows in [1, 2] {
        let mut command = prepared(Command::new(env!("CARGO_BIN_EXE_redis-trib")));
        command.args(["exec", &node, "--stat", "-i", "0.05", "-r", &rows.to_string()]);
        let (out, complaint, code) = printed(command);
        assert_eq!((out.lines().count(), code), (rows + 2, Some(0)), "{out}{complaint}");
    }
}

/// Whoever watches a server that is restarted has no need to begin again.
#[test]
fn figures_go_on_when_the_server_comes_back() {
    const ANEW: &str = "\r\x1b[0K";
    let watch = |program, mode: &str| {
        let lab = plain();
        let (mut is_killed, mut is_back) = (false, false);
        begun(program, &format!("-p {} --no-raw {mode}", port(&lab)), |text| {
            if !is_killed && !text.is_empty() {
                is_killed = lab.kill(0);
            }
            if !is_back && text.contains(&format!("{ANEW}Reconnecting... 1\r")) {
                lab.restart(0).unwrap();
                is_back = true;
            }
            let last = text.rsplit(ANEW).next().and_then(|last| last.get(.."Reconnecting".len()));
            is_back && last.is_some_and(|last| last != "Reconnecting")
        });
    };
    thread::scope(|scope| {
        for mode in ["--latency", "--latency-dist -i 0.05", "--stat -i 0.05"] {
            scope.spawn(move || watch(our_program(), mode));
        }
        // Its other figures stay in a buffer for seconds.
        scope.spawn(|| watch(their_program(), "--latency"));
    });
}
