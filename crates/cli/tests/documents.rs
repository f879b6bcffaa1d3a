//! docs/json.md beside what is printed.

#![allow(clippy::unwrap_used)] // A test that cannot go on fails.

use std::collections::BTreeSet;

use redistrib_ops::model::Finding;

const JSON_MD: &str = include_str!("../../../docs/json.md");

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
