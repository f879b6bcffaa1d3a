//! `HOST PORT` in two words, which becomes one address.

use std::any::TypeId;
use std::ffi::{OsStr, OsString};
use std::net::Ipv6Addr;

use clap::{Arg, ArgAction, Command};
use redistrib_ops::Endpoint;
use redistrib_ops::model::NodeName;

/// Joins host and port wherever the command wants an address, or takes one for a node's name, and got the two as words of
/// their own. What may be a node's id or its port is left as it is before a number, as is a
/// host's name where the number would be missed behind it.
pub(super) fn join(command: &Command, words: Vec<OsString>) -> Vec<OsString> {
    let wanted = command.get_positionals().filter(|arg| arg.is_required_set()).count();
    // Only with a word too many can the number after a bare IPv6 address be its port.
    let mut spare = words.len().saturating_sub(wanted);
    let mut words = words.into_iter().peekable();
    let mut joined = Vec::new();
    for arg in command.get_positionals() {
        let several = matches!(arg.get_action(), ArgAction::Append);
        if !is_a::<Endpoint>(arg) && !is_a::<NodeName>(arg) {
            joined.extend(words.by_ref().take(if several { usize::MAX } else { 1 }));
            continue;
        }
        while let Some(host) = words.next() {
            let is_host = is_a::<Endpoint>(arg) || spare > 0 && !is_hexadecimal(&host);
            let lacks_port = is_host && lacks_port(&host, spare > 0);
            let port = words.next_if(|next| lacks_port && is_port(next));
            spare = spare.saturating_sub(usize::from(port.is_some()));
            joined.push(address(host, port));
            if !several {
                break;
            }
        }
    }
    joined.extend(words);
    joined
}

fn is_a<T: 'static>(arg: &Arg) -> bool {
    arg.get_value_parser().type_id() == TypeId::of::<T>()
}

fn is_hexadecimal(word: &OsStr) -> bool {
    word.as_encoded_bytes().iter().all(u8::is_ascii_hexdigit)
}

fn lacks_port(host: &OsStr, spare: bool) -> bool {
    host.to_str().is_some_and(|host| {
        let bare_v6 = spare && host.parse::<Ipv6Addr>().is_ok();
        bare_v6 || host.ends_with(']') || !host.contains([':', '/'])
    })
}

fn is_port(word: &OsStr) -> bool {
    word.to_str().is_some_and(|word| word.parse::<u16>().is_ok_and(|port| port > 0))
}

fn address(host: OsString, port: Option<OsString>) -> OsString {
    let Some(port) = port else { return host };
    let is_v6 = host.to_str().is_some_and(|host| host.contains(':') && !host.starts_with('['));
    let mut joined = OsString::from(if is_v6 { "[" } else { "" });
    joined.push(host);
    joined.push(if is_v6 { "]:" } else { ":" });
    joined.push(port);
    joined
}
