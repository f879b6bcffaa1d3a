//! The messages on the line, and the ports in them.

use std::io;

use memchr::memmem;
use redistrib_resp::{Decoder, Reply};

/// Which port of ours stands for which node's.
#[derive(Debug)]
pub(super) struct PortMap {
    /// The node's port and ours, as text too.
    pairs: Vec<(u16, u16)>,
}

impl PortMap {
    pub(super) fn new(pairs: Vec<(u16, u16)>) -> io::Result<Self> {
        match pairs.iter().find(|(node, outer)| *node < 10_000 || *outer < 10_000) {
            None => Ok(Self { pairs }),
            Some((node, outer)) => Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                format!("ports {node} and {outer} must both have five digits"),
            )),
        }
    }

    pub(super) fn outer(&self, node: u16) -> Option<u16> {
        self.pairs.iter().find(|pair| pair.0 == node).map(|pair| pair.1)
    }

    pub(super) fn outer_ports(&self) -> impl Iterator<Item = u16> {
        self.pairs.iter().map(|pair| pair.1)
    }

    /// Writes the nodes' ports where a command names ours as an argument.
    pub(super) fn inward(&self, command: &mut [u8]) {
        for (node, outer) in &self.pairs {
            replace(command, &format!("$5\r\n{outer}\r\n"), &format!("$5\r\n{node}\r\n"));
        }
    }

    /// Writes our ports where a reply gives the address of a node.
    pub(super) fn outward(&self, reply: &mut [u8]) {
        for (node, outer) in &self.pairs {
            replace(reply, &format!("127.0.0.1:{node}"), &format!("127.0.0.1:{outer}"));
        }
    }
}

/// Replaces a text by another of the same length.
fn replace(bytes: &mut [u8], old: &str, new: &str) {
    let places: Vec<_> = memmem::find_iter(bytes, old).collect();
    for place in places {
        if let Some(room) = bytes.get_mut(place..place + new.len()) {
            room.copy_from_slice(new.as_bytes());
        }
    }
}

/// Cuts a stream of bytes into messages. What is not the protocol (inline commands) passes as it is.
#[derive(Debug, Default)]
pub(super) struct Messages {
    decoder: Option<Decoder>,
    raw: bool,
}

/// One message.
#[derive(Debug)]
pub(super) struct Message {
    pub(super) bytes: Vec<u8>,
    /// The first two words, with a space between.
    pub(super) words: Vec<u8>,
}

impl Messages {
    /// Takes bytes and gives the messages that are complete.
    pub(super) fn take(&mut self, bytes: &[u8]) -> Vec<Message> {
        if self.raw {
            return vec![Message { bytes: bytes.to_vec(), words: Vec::new() }];
        }
        let decoder = self.decoder.get_or_insert_with(Decoder::new);
        decoder.feed(bytes);
        let mut messages = Vec::new();
        loop {
            match decoder.next_reply() {
                Ok(Some(reply)) => messages.push(message(&reply)),
                Ok(None) => return messages,
                Err(_) => {
                    self.raw = true;
                    messages.push(Message { bytes: bytes.to_vec(), words: Vec::new() });
                    return messages;
                }
            }
        }
    }
}

fn message(reply: &Reply) -> Message {
    let words: Vec<&[u8]> =
        reply.view().elements().take(2).filter_map(|word| word.as_bytes()).collect();
    Message { bytes: reply.wire().to_vec(), words: words.join(&b' ') }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_exchanged_in_both_directions() {
        let ports = PortMap::new(vec![(14001, 40001), (14002, 40002)]).unwrap();
        let mut reply = b"+127.0.0.1:14001@24001 127.0.0.1:14002 14001\r\n".to_vec();
        ports.outward(&mut reply);
        assert_eq!(reply, b"+127.0.0.1:40001@24001 127.0.0.1:40002 14001\r\n");
        let mut command = b"*2\r\n$5\r\n40002\r\n$6\r\n400020\r\n".to_vec();
        ports.inward(&mut command);
        assert_eq!(command, b"*2\r\n$5\r\n14002\r\n$6\r\n400020\r\n");
        assert!(PortMap::new(vec![(7000, 40001)]).is_err());
    }

    #[test]
    fn messages_come_out_whole() {
        let mut messages = Messages::default();
        assert!(messages.take(b"*2\r\n$4\r\nPI").is_empty());
        let found = messages.take(b"NG\r\n$1\r\nx\r\n*1\r\n$4\r\nQUIT\r\n");
        let words: Vec<_> = found.iter().map(|found| found.words.as_slice()).collect();
        assert_eq!(words, [&b"PING x"[..], b"QUIT"]);
    }
}
