//! The arguments of a command as servers describe them: how they are written, and what is still to come behind words
//! that have been typed.

use redistrib_ops::resp::View;
use serde::{Deserialize, Serialize};

/// The nesting of arguments is the server's choice; deeper than this there are none.
const DEPTH: usize = 8;

/// An argument of a command.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Argument {
    /// What stands for a value.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    name: String,
    #[serde(default, skip_serializing_if = "is_default")]
    kind: ArgumentKind,
    /// The word that stands before it, or that it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    token: Option<String>,
    #[serde(default, skip_serializing_if = "is_default")]
    optional: bool,
    /// Whether it may be given several times.
    #[serde(default, skip_serializing_if = "is_default")]
    multiple: bool,
    /// Whether each of these times begins with the token.
    #[serde(default, skip_serializing_if = "is_default")]
    repeats_token: bool,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    parts: Vec<Argument>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
enum ArgumentKind {
    /// Any word.
    #[default]
    Word,
    Integer,
    Double,
    /// Nothing behind the token.
    Token,
    /// One of the parts.
    OneOf,
    /// All the parts.
    Block,
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// What has been typed of an argument.
#[derive(Clone, Debug, Default)]
struct TypedSoFar {
    /// How many words.
    words: usize,
    token: bool,
    /// The value.
    value: bool,
    /// Nothing more can come.
    all: bool,
    parts: Vec<TypedSoFar>,
}

/// Reads the arguments that COMMAND DOCS describes.
pub(super) fn read(arguments: View<'_>) -> Vec<Argument> {
    read_within(arguments, DEPTH)
}

fn read_within(arguments: View<'_>, depth: usize) -> Vec<Argument> {
    if depth == 0 {
        return Vec::new();
    }
    arguments.elements().map(|argument| read_one(argument, depth)).collect()
}

fn read_one(argument: View<'_>, depth: usize) -> Argument {
    let text = |key: &[u8]| argument.get(key).and_then(|value| value.as_str());
    let has_flag = |flag: &[u8]| {
        let flags = argument.get(b"flags").map(|flags| flags.elements());
        flags.into_iter().flatten().any(|set| set.as_bytes() == Some(flag))
    };
    let kind = match text(b"type").unwrap_or_default() {
        "integer" | "unix-time" => ArgumentKind::Integer,
        "double" => ArgumentKind::Double,
        "pure-token" => ArgumentKind::Token,
        "oneof" => ArgumentKind::OneOf,
        "block" => ArgumentKind::Block,
        _ => ArgumentKind::Word,
    };
    let has_value =
        matches!(kind, ArgumentKind::Word | ArgumentKind::Integer | ArgumentKind::Double);
    let name = text(b"display_text").or_else(|| text(b"name")).filter(|_| has_value);
    // An empty word is written in quotes.
    let token = text(b"token").map(|token| if token.is_empty() { "\"\"" } else { token });
    let parts = argument.get(b"arguments").map(|parts| read_within(parts, depth - 1));
    Argument {
        name: name.unwrap_or_default().into(),
        kind,
        token: token.map(str::to_owned),
        optional: has_flag(b"optional"),
        multiple: has_flag(b"multiple"),
        repeats_token: has_flag(b"multiple_token"),
        parts: parts.unwrap_or_default(),
    }
}

/// The arguments as documentation writes them: `key value [NX|XX] [EX seconds|KEEPTTL]`.
pub(super) fn written(arguments: &[Argument]) -> String {
    join(arguments, &unseen(arguments), " ")
}

/// What may still come behind these words; `None` where they are none of the command's arguments.
pub(super) fn rest(arguments: &[Argument], words: &[String]) -> Option<String> {
    let mut seen = unseen(arguments);
    let matched = take_all(arguments, &mut seen, words);
    (matched == words.len()).then(|| join(arguments, &seen, " "))
}

/// The tokens among the arguments, wherever they stand.
pub(super) fn tokens(arguments: &[Argument]) -> Vec<&str> {
    let mut all = Vec::new();
    for argument in arguments {
        all.extend(argument.token.as_deref());
        all.extend(tokens(&argument.parts));
    }
    all
}

fn unseen(arguments: &[Argument]) -> Vec<TypedSoFar> {
    arguments.iter().map(Argument::unseen).collect()
}

impl Argument {
    fn unseen(&self) -> TypedSoFar {
        TypedSoFar { parts: unseen(&self.parts), ..TypedSoFar::default() }
    }

    /// Takes words for this argument, as often as it may be given; returns how many.
    fn take(&self, seen: &mut TypedSoFar, words: &[String]) -> usize {
        let mut taken = self.take_once(seen, words);
        if !self.multiple {
            return taken;
        }
        while let (true, Some(rest @ [_, ..])) = (seen.all, words.get(taken..)) {
            *seen = self.unseen();
            let again = if self.token.is_some() && !self.repeats_token {
                // It stood before the first.
                let again = self.take_value(seen, rest);
                seen.token = seen.words > 0;
                again
            } else {
                self.take_once(seen, rest)
            };
            if again == 0 {
                break;
            }
            taken += again;
        }
        // There can always be one more.
        seen.all = false;
        taken
    }

    fn take_once(&self, seen: &mut TypedSoFar, words: &[String]) -> usize {
        let Some(token) = &self.token else { return self.take_value(seen, words) };
        let Some((first, rest)) = words.split_first() else { return 0 };
        if !first.eq_ignore_ascii_case(token) {
            return 0;
        }
        seen.token = true;
        seen.words = 1;
        seen.all = self.kind == ArgumentKind::Token;
        if seen.all || rest.is_empty() {
            return 1;
        }
        self.take_value(seen, rest)
    }

    fn take_value(&self, seen: &mut TypedSoFar, words: &[String]) -> usize {
        let Some(word) = words.first() else { return 0 };
        let fits = match self.kind {
            ArgumentKind::Block => {
                seen.words += take_all(&self.parts, &mut seen.parts, words);
                seen.all = seen.parts.iter().all(|part| part.all);
                return seen.words;
            }
            ArgumentKind::OneOf => {
                for (part, part_seen) in self.parts.iter().zip(&mut seen.parts) {
                    if part.take(part_seen, words) > 0 {
                        seen.words += part_seen.words;
                        seen.all = part_seen.all;
                        break;
                    }
                }
                return seen.words;
            }
            ArgumentKind::Integer => word.parse::<i64>().is_ok(),
            ArgumentKind::Double => word.parse::<f64>().is_ok(),
            ArgumentKind::Word | ArgumentKind::Token => true,
        };
        seen.words = if fits { seen.words + 1 } else { 0 };
        seen.value = fits;
        seen.all = fits;
        seen.words
    }

    /// How the argument is written, without what has been typed of it.
    fn write(&self, seen: &TypedSoFar) -> String {
        if seen.all {
            return String::new();
        }
        let token = self.token.as_deref().filter(|_| !seen.token).unwrap_or_default();
        let content = match self.kind {
            ArgumentKind::OneOf if seen.words > 0 => self
                .parts
                .iter()
                .zip(&seen.parts)
                .filter(|(_, seen)| seen.words > 0)
                .map(|(part, seen)| part.write(seen))
                .collect(),
            ArgumentKind::Word | ArgumentKind::Integer | ArgumentKind::Double if seen.value => {
                String::new()
            }
            _ => self.content(&seen.parts),
        };
        let mut written = [token, &content].join(" ").trim().to_owned();
        if self.multiple {
            let token = self.token.as_deref().filter(|_| self.repeats_token).unwrap_or_default();
            let again = [token, &self.content(&unseen(&self.parts))].join(" ");
            written = format!("{written} [{} ...]", again.trim()).trim().to_owned();
        }
        let open = if self.optional && seen.words == 0 { "[" } else { "" };
        // redis-cli closes what may be repeated even where it has not opened it.
        let is_closed = self.optional && (seen.words == 0 || self.multiple);
        format!("{open}{written}{}", if is_closed { "]" } else { "" })
    }

    fn content(&self, seen: &[TypedSoFar]) -> String {
        match self.kind {
            ArgumentKind::OneOf => join(&self.parts, seen, "|"),
            ArgumentKind::Block => join(&self.parts, seen, " "),
            ArgumentKind::Token => String::new(),
            ArgumentKind::Word | ArgumentKind::Integer | ArgumentKind::Double => self.name.clone(),
        }
    }
}

/// How many of the arguments from the first on are optional: these can come in any order.
fn optional(arguments: &[Argument]) -> usize {
    arguments.iter().take_while(|argument| argument.optional).count()
}

/// Takes words for arguments one after the other; returns how many. None, where one that has to come does not.
fn take_all(mut arguments: &[Argument], mut seen: &mut [TypedSoFar], words: &[String]) -> usize {
    let mut taken = 0;
    while let (Some(rest @ [_, ..]), [first, ..]) = (words.get(taken..), arguments) {
        let together = optional(arguments).max(1);
        let (now, later) = arguments.split_at(together.min(arguments.len()));
        let (now_seen, later_seen) = seen.split_at_mut(now.len().min(seen.len()));
        if first.optional {
            taken += take_any(now, now_seen, rest);
        } else {
            match now_seen.first_mut().map_or(0, |seen| first.take(seen, rest)) {
                0 => return 0,
                more => taken += more,
            }
        }
        (arguments, seen) = (later, later_seen);
    }
    taken
}

/// Takes words for optional arguments in whatever order they come; returns how many.
fn take_any(arguments: &[Argument], seen: &mut [TypedSoFar], words: &[String]) -> usize {
    let mut taken = 0;
    let mut last: Option<usize> = None;
    while let Some(rest @ [_, ..]) = words.get(taken..) {
        let found = arguments.iter().zip(seen.iter_mut()).enumerate().find_map(|(at, pair)| {
            let (argument, seen) = pair;
            let more = if seen.words == 0 { argument.take(seen, rest) } else { 0 };
            (more > 0).then_some((at, more))
        });
        let Some((at, more)) = found else { break };
        // What came before another has come to its end.
        if let Some(before) = last.and_then(|last| seen.get_mut(last)) {
            before.all = true;
        }
        last = Some(at);
        taken += more;
    }
    taken
}

/// The arguments as they are written, without what has been typed of them.
fn join(arguments: &[Argument], seen: &[TypedSoFar], separator: &str) -> String {
    let pairs: Vec<(&Argument, &TypedSoFar)> = arguments.iter().zip(seen).collect();
    let mut written = Vec::new();
    let mut left = pairs.as_slice();
    while let Some((first, _)) = left.first() {
        let together = if first.optional {
            left.iter().take_while(|(argument, _)| argument.optional).count()
        } else {
            1
        };
        let (now, later) = left.split_at(together);
        // The one that has been begun comes first; the others only as long as nothing behind them has.
        let is_begun = |seen: &TypedSoFar| seen.words > 0 && !seen.all;
        let is_open = later.first().is_none_or(|(_, seen)| seen.words == 0);
        let begun = now.iter().filter(|(_, seen)| first.optional && is_begun(seen));
        let others = now.iter().filter(|(_, seen)| !first.optional || (is_open && !is_begun(seen)));
        written.extend(begun.chain(others).map(|(argument, seen)| argument.write(seen)));
        left = later;
    }
    written.retain(|part| !part.is_empty());
    written.join(separator)
}
