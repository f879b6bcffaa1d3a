//! What is encoded is decoded: replies of every type, and commands.
#![no_main]

#[path = "../../crates/resp/tests/tree/mod.rs"]
mod tree;

use libfuzzer_sys::fuzz_target;
use redistrib_resp::{Command, Parser, Pipeline};
use tree::{Seed, Tree};

fuzz_target!(|data: &[u8]| {
    reply(data);
    command(data);
});

fn reply(data: &[u8]) {
    let tree = Tree::grow(&mut Seed(data), 5, true);
    let mut wire = Vec::new();
    tree.encode(&mut wire);
    let (mut parser, mut rest) = (Parser::new(), &wire[..]);
    let view = parser.next_view(&mut rest).expect("valid").expect("complete");
    assert!(tree.is_shown_by(view), "{tree:?} is read as {view:?}");
    assert!(rest.is_empty());
}

fn command(data: &[u8]) {
    let args: Vec<&[u8]> = data.split(|byte| *byte == b' ').collect();
    let command = Command::from_args(&args);
    assert!(command.args().eq(args.iter().copied()));
    let mut pipeline = Pipeline::new();
    pipeline.push(&command);
    pipeline.command(&args);
    let (mut parser, mut rest) = (Parser::new(), pipeline.as_bytes());
    for _ in 0..pipeline.len() {
        let view = parser.next_view(&mut rest).expect("valid").expect("complete");
        assert!(view.elements().map(|arg| arg.as_bytes()).eq(args.iter().copied().map(Some)));
    }
    assert!(rest.is_empty());
}
