//! What holds for all replies and commands, however they are split.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says where")]

mod tree;

use proptest::prelude::*;
use redistrib_resp::{Command, DecodeError, Decoder, Parser, Pipeline, Reply};
use tree::{Seed, Tree};

/// What a stream comes to: its replies, and the error that ends it if one does.
type Outcome = (Vec<Reply>, Option<DecodeError>);

fn drain(decoder: &mut Decoder, replies: &mut Vec<Reply>) -> Option<DecodeError> {
    loop {
        match decoder.next_reply() {
            Ok(Some(reply)) => replies.push(reply),
            Ok(None) => return None,
            Err(error) => return Some(error),
        }
    }
}

/// Decodes the pieces one after the other.
fn decode<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Outcome {
    let (mut decoder, mut replies, mut error) = (Decoder::new(), Vec::new(), None);
    for piece in pieces {
        decoder.feed(piece);
        error = drain(&mut decoder, &mut replies);
    }
    (replies, error)
}

fn same((ours, our_error): &Outcome, (theirs, their_error): &Outcome) -> bool {
    let alike =
        |(a, b): (&Reply, &Reply)| a.wire() == b.wire() && format!("{a:?}") == format!("{b:?}");
    our_error == their_error && ours.len() == theirs.len() && ours.iter().zip(theirs).all(alike)
}

/// Cuts the bytes where the cuts say, wrapped round to their length.
fn pieces<'a>(bytes: &'a [u8], cuts: &[usize]) -> Vec<&'a [u8]> {
    let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut % (bytes.len() + 1)).collect();
    cuts.extend([0, bytes.len()]);
    cuts.sort_unstable();
    cuts.windows(2).map(|pair| &bytes[pair[0]..pair[1]]).collect()
}

/// Bytes that are RESP more often than not.
fn nearly_resp() -> impl Strategy<Value = Vec<u8>> {
    let alphabet = prop::sample::select(&b"+-:$*%~>|_#,(!=;.?0123\r\n\r\n\r\nOKtxtf"[..]);
    prop::collection::vec(alphabet, 0..80)
}

proptest! {
    #[test]
    fn what_is_encoded_is_decoded(seeds in prop::collection::vec(any::<Vec<u8>>(), 1..6)) {
        let trees: Vec<Tree> =
            seeds.iter().map(|seed| Tree::grow(&mut Seed(seed), 5, true)).collect();
        let mut wire = Vec::new();
        trees.iter().for_each(|tree| tree.encode(&mut wire));
        let (replies, error) = decode([&wire[..]]);
        prop_assert_eq!(error, None);
        prop_assert_eq!(replies.len(), trees.len());
        for (tree, reply) in trees.iter().zip(&replies) {
            prop_assert!(tree.is_shown_by(reply.view()), "{:?} is read as {:?}", tree, reply);
        }
        let wires: Vec<u8> = replies.iter().flat_map(|reply| reply.wire().to_vec()).collect();
        prop_assert_eq!(wires, wire);
    }

    #[test]
    fn pieces_come_to_what_the_whole_does(
        seeds in prop::collection::vec(any::<Vec<u8>>(), 1..4),
        rest in nearly_resp(),
        cuts in prop::collection::vec(any::<usize>(), 0..20),
    ) {
        let mut wire = Vec::new();
        seeds.iter().for_each(|seed| Tree::grow(&mut Seed(seed), 4, true).encode(&mut wire));
        wire.extend(rest);
        let whole = decode([&wire[..]]);
        prop_assert!(same(&whole, &decode(pieces(&wire, &cuts))));
        prop_assert!(same(&whole, &decode(wire.chunks(1))));
    }

    #[test]
    fn any_bytes_are_decoded_or_refused(
        bytes in prop_oneof![nearly_resp(), any::<Vec<u8>>()],
        cuts in prop::collection::vec(any::<usize>(), 0..10),
    ) {
        prop_assert!(same(&decode([&bytes[..]]), &decode(pieces(&bytes, &cuts))));
    }

    #[test]
    fn views_and_replies_tell_the_same(seed in any::<Vec<u8>>()) {
        let mut wire = Vec::new();
        Tree::grow(&mut Seed(&seed), 5, true).encode(&mut wire);
        let (mut viewing, mut owning) = (Parser::new(), Parser::new());
        let view = viewing.next_view(&mut &wire[..]).unwrap().unwrap();
        let reply = owning.next_reply(&mut wire.clone().into()).unwrap().unwrap();
        prop_assert_eq!(format!("{view:?}"), format!("{reply:?}"));
    }

    #[test]
    fn commands_are_arrays_of_their_arguments(
        commands in prop::collection::vec(prop::collection::vec(any::<Vec<u8>>(), 1..5), 1..5),
    ) {
        let mut pipeline = Pipeline::new();
        for (n, args) in commands.iter().enumerate() {
            let command = Command::from_args(args);
            prop_assert!(command.args().eq(args.iter().map(|arg| &arg[..])));
            match n % 2 {
                0 => pipeline.push(&command),
                _ => pipeline.command(&args.iter().map(|arg| &arg[..]).collect::<Vec<_>>()),
            }
        }
        prop_assert_eq!(pipeline.len(), commands.len());
        let (replies, error) = decode([pipeline.as_bytes()]);
        prop_assert_eq!(error, None);
        for (reply, args) in replies.iter().zip(&commands) {
            let seen: Vec<_> = reply.view().elements().map(|arg| arg.as_bytes().unwrap()).collect();
            prop_assert_eq!(&seen, args);
        }
    }
}
