//! README and docs/json.md beside the model of arguments and what is printed.

use std::collections::BTreeSet;
use std::fs::OpenOptions;
use std::path::Path;
use std::process::Stdio;

use redistrib_cli::args::command;
use redistrib_ops::lab::{TempLab, TestServer};
use redistrib_ops::model::Finding;
use serde_json::Value;

use crate::support::{addresses, program, trib, trib_with};

const JSON_MD: &str = include_str!("../../../docs/json.md");

const README: &str = include_str!("../../../README.md");

/// The words between backquotes.
fn quoted(text: &str) -> impl Iterator<Item = String> + '_ {
    text.split('`').skip(1).step_by(2).map(str::to_owned)
}

/// The table of findings has every code that the model knows, and no other.
#[test]
fn every_code_of_a_finding_is_documented() {
    let (_, table) = JSON_MD.split_once("| `finding` | fields").unwrap();
    let rows = table.lines().skip(2).take_while(|row| row.starts_with('|'));
    let told: BTreeSet<String> =
        rows.flat_map(|row| quoted(row.split('|').nth(1).unwrap())).collect();
    // Who reads a finding of a code that is none is told which there are.
    let refusal = serde_json::from_str::<Finding>(r#"{"finding":"?"}"#).unwrap_err().to_string();
    let (_, known) = refusal.split_once("expected one of ").unwrap();
    let known: BTreeSet<String> = quoted(known).collect();
    assert_eq!(told, known);
}

/// The table of verbs has each that takes `--json`, and no other.
#[test]
fn every_verb_with_documents_is_documented() {
    let (_, table) = JSON_MD.split_once("| verb | what it prints |").unwrap();
    let rows = table.lines().skip(2).take_while(|row| row.starts_with('|'));
    let told = rows.flat_map(|row| quoted(row.split('|').nth(1).unwrap()));
    let told: BTreeSet<String> =
        told.map(|verb| verb.split(' ').next().unwrap().to_owned()).collect();
    let takes_json = |verb: &clap::Command| verb.get_arguments().any(|it| it.get_id() == "json");
    let model = command();
    let known = model
        .get_subcommands()
        .filter(|verb| takes_json(verb) || verb.get_subcommands().any(takes_json));
    let known: BTreeSet<String> = known.map(|verb| verb.get_name().to_owned()).collect();
    assert_eq!(told, known);
}

/// The README's section on verbs names each of them.
#[test]
fn every_verb_is_in_the_readme() {
    let (_, section) = README.split_once("## Every verb and option").unwrap();
    let (section, _) = section.split_once("\n## ").unwrap();
    let told: BTreeSet<String> =
        quoted(section).map(|text| text.split(' ').next().unwrap_or_default().to_owned()).collect();
    let model = command();
    let names = model.get_subcommands().map(clap::Command::get_name);
    let missing: Vec<&str> = names.filter(|name| !told.contains(*name)).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

/// A session whose commands are sent on prints documents and nothing else on standard output.
#[test]
fn redirections_do_not_stand_among_documents() {
    let lab = TempLab::cluster(&TestServer::named("redis-7.0").unwrap(), 3, 0).unwrap();
    let seed = lab.endpoints()[0].to_string();
    let typed = "SET foo bar\nSET hello world\n:nothing\nSET \"\n";
    let told = trib_with(typed, &["shell", "-c", "--json", &seed]).expect(0);
    let lines: Vec<serde_json::Value> =
        told.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 2, "{}", told.stdout);
    assert!(told.stderr.contains("-> Redirected to slot [12182]"), "{}", told.stderr);
}

/// Whoever keeps the output on a full disk has not all of it, and hears so; whoever stops reading wanted no more.
#[test]
fn what_cannot_be_written_is_a_failure_and_what_is_not_read_is_none() {
    let lab = TempLab::cluster(&TestServer::named("redis-8.6").unwrap(), 3, 0).unwrap();
    let seed = lab.endpoints()[0].to_string();
    for args in [
        &["check", &seed][..],
        &["status", "--json", &seed],
        &["status", "--prometheus", &seed],
        &["exec", &seed, "--rdb", "-"],
        &["help"],
        &["help", "reshard"],
        &["--version"],
        &["--cluster", "help"],
    ] {
        let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
        let told = program().args(args).stdout(full).output().unwrap();
        let complaint = String::from_utf8_lossy(&told.stderr).into_owned();
        assert_eq!(told.status.code(), Some(1), "{args:?}: {complaint}");
        assert!(complaint.contains("No space left on device"), "{args:?}: {complaint}");
        assert!(!complaint.contains("connection broke"), "{args:?}: {complaint}");
    }
    for args in [&["check", &seed][..], &["call", &seed, "INFO"], &["keyslot", "a"]] {
        let (unread, out) = std::io::pipe().unwrap();
        drop(unread);
        let told = program().args(args).stdout(out).stderr(Stdio::piped()).output().unwrap();
        let complaint = String::from_utf8_lossy(&told.stderr).into_owned();
        assert_eq!((told.status.code(), &*complaint), (Some(0), ""), "{args:?}");
    }
}

/// Names of fields are a contract: each that is printed stands in docs/json.md, so that none gets another name unawares.
#[test]
fn every_field_that_is_printed_is_documented() {
    let server = TestServer::named("valkey-9.1").unwrap();
    let (lab, spare) =
        (TempLab::cluster(&server, 3, 1).unwrap(), TempLab::nodes(&server, 2).unwrap());
    let server = TempLab::plain(&server, 1).unwrap();
    let plain = addresses(&server);
    let (nodes, spares) = (addresses(&lab), addresses(&spare));
    let (seed, folder) = (nodes[0].as_str(), tempfile::tempdir().unwrap());
    let path = |name: &str| folder.path().join(name).display().to_string();
    let (file, saved) = (path("cluster.toml"), path("saved"));
    let exported = trib(&["export", seed]).expect(0).stdout;
    std::fs::write(&file, exported.replacen(" = {", " = { weight = 2.0,", 1)).unwrap();
    trib(&["exec", "-c", seed, "SET", "key", "value"]).expect(0);
    let verbs: [&[&str]; 21] = [
        &["check", seed],
        &["info", seed],
        &["list", seed],
        &["status", seed],
        &["export", seed],
        &["plan", &file],
        &["apply", &file, "--yes"],
        &["reshard", seed, "--from", "all", "--to", seed, "--slots", "20", "--dry-run"],
        &[
            "reshard", seed, "--from", "all", "--to", seed, "--slots", "20", "--atomic", "never",
            "--yes",
        ],
        &["rebalance", seed, "--threshold", "1"],
        &["fix", seed],
        &["bench", seed, "--slots", "10", "--yes"],
        &["roll", seed, "--exec", "true", "--no-restart", "--yes"],
        &["backup", seed, &saved],
        &["copy", seed, &plain[0], "--dry-run"],
        &["import", seed, "--from", &spares[1], "--copy"],
        &["add-node", &spares[0], seed, "--replica"],
        &["failover", &spares[0], "--dry-run"],
        &["del-node", seed, &spares[0], "--yes"],
        &["forget-failed", seed],
        &["set-timeout", seed, "15000"],
    ];
    for verb in verbs {
        let told = trib(&[verb, &["--json"]].concat()).expect(0);
        let mut names = BTreeSet::new();
        for line in told.stdout.lines() {
            fields(&serde_json::from_str(line).unwrap(), &mut names);
        }
        let is_told = |name: &&String| {
            JSON_MD.contains(&format!("`{name}`")) || JSON_MD.contains(&format!("\"{name}\":"))
        };
        let (told, untold): (Vec<_>, Vec<_>) = names.iter().partition(is_told);
        assert!(untold.is_empty() && !told.is_empty(), "{verb:?}: {untold:?}, and {told:?}");
    }
}

/// Whoever reads docs/json.md can rely on each name in its examples: a field that is renamed or removed is missed here.
#[test]
fn every_field_of_the_examples_is_still_printed() {
    let mut told = BTreeSet::new();
    for block in JSON_MD.split("```json\n").skip(1) {
        let (examples, _) = block.split_once("```").unwrap();
        for document in serde_json::Deserializer::from_str(examples).into_iter::<Value>() {
            fields(&document.unwrap_or_else(|error| panic!("{error} in {examples}")), &mut told);
        }
    }
    // Databases are numbered.
    told.retain(|name| name.parse::<u32>().is_err());
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let mut known = BTreeSet::new();
    for sources in ["cluster-model/src", "ops/src", "cli/src"] {
        serialised(&crates.join(sources), &mut known);
    }
    let lost: Vec<_> = told.difference(&known).collect();
    assert!(lost.is_empty(), "nothing prints {lost:?}");
}

/// The names of fields in the sources below a folder: those of types that derive `Serialize`, and of `json!`.
fn serialised(folder: &Path, names: &mut BTreeSet<String>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            serialised(&path, names);
            continue;
        }
        let text = std::fs::read_to_string(&path).unwrap();
        for derived in text.split("#[derive(").skip(1) {
            let (traits, rest) = derived.split_once(')').unwrap();
            if traits.split(", ").any(|name| name == "Serialize") {
                let (item, _) = rest.split_once("\n}").unwrap_or((rest, ""));
                names.extend(item.lines().filter_map(field).map(str::to_owned));
                names.extend(renamed(item).map(str::to_owned));
            }
        }
        names.extend(literals(&text).map(str::to_owned));
    }
}

/// The field that a line of a type declares.
fn field(line: &str) -> Option<&str> {
    let (name, _) = line.trim_start().trim_start_matches("pub ").split_once(": ")?;
    name.chars().all(|c| c == '_' || c.is_ascii_alphanumeric()).then_some(name)
}

/// What serde is told to call fields and tags.
fn renamed(item: &str) -> impl Iterator<Item = &str> {
    let told = ["tag = \"", "rename = \""].map(|mark| item.split(mark).skip(1));
    told.into_iter().flatten().filter_map(|rest| rest.split('"').next())
}

/// The keys of `json!`: a literal with a colon behind it. Some documents are written by hand, with escaped quotes.
fn literals(text: &str) -> impl Iterator<Item = &str> {
    let ends = text.split("\":").map(|before| before.trim_end_matches('\\'));
    ends.filter_map(|before| before.rsplit('"').next())
}

/// The names of a document's fields.
fn fields(document: &Value, names: &mut BTreeSet<String>) {
    match document {
        Value::Array(parts) => parts.iter().for_each(|part| fields(part, names)),
        Value::Object(parts) => {
            for (name, part) in parts {
                names.insert(name.clone());
                fields(part, names);
            }
        }
        _ => {}
    }
}
