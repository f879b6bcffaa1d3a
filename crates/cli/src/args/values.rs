//! How single values are read.

use std::num::NonZeroU64;
use std::time::Duration;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use redistrib_ops::migrate::Rate;
use redistrib_ops::model::{NodeName, NotANodeName, SlotSet};
use redistrib_ops::{Endpoint, ParseEndpointError, Secret};

/// `HOST:PORT`.
pub(super) fn endpoint(text: &str) -> Result<Endpoint, String> {
    text.parse().map_err(|error: ParseEndpointError| error.to_string())
}

/// A node's id or how it begins, its address, its host or its port.
pub(super) fn node_name(text: &str) -> Result<NodeName, String> {
    text.parse().map_err(|error: NotANodeName| error.to_string())
}

/// A command for a shell, which would run blanks without a complaint.
pub(super) fn command(text: &str) -> Result<String, String> {
    match text.trim().is_empty() {
        true => Err("there is no command in it".into()),
        false => Ok(text.to_owned()),
    }
}

/// One of a few words.
pub(super) fn one_of<T: Copy + Send + Sync + 'static>(
    words: &'static [(&'static str, T)],
) -> impl TypedValueParser<Value = T> {
    let names = words.iter().map(|(name, _)| *name);
    PossibleValuesParser::new(names).try_map(|given| {
        let found = words.iter().find(|(name, _)| *name == given);
        found.map(|(_, value)| *value).ok_or("no such word")
    })
}

/// A positive number of milliseconds.
pub(super) fn millis(text: &str) -> Result<Duration, String> {
    let count: NonZeroU64 =
        text.parse().map_err(|_| "give a positive number of milliseconds".to_owned())?;
    Ok(Duration::from_millis(count.get()))
}

/// A node timeout as servers take it, in milliseconds.
pub(super) fn node_timeout(text: &str) -> Result<Duration, String> {
    let timeout = millis(text)?;
    redistrib_ops::require_timeout(timeout).map_err(|error| error.to_string())?;
    Ok(timeout)
}

/// A positive number of seconds, at most a day.
pub(super) fn seconds(text: &str) -> Result<Duration, String> {
    let count = text.parse().ok().filter(|count| (0.1..=86_400.0).contains(count));
    let count = count.ok_or("give a number of seconds from 0.1 to 86400")?;
    Ok(Duration::from_secs_f64(count))
}

/// A password; never fails, and never shows in a complaint.
pub(super) fn secret(text: &str) -> Result<Secret, std::convert::Infallible> {
    Ok(Secret::new(text))
}

/// `5` or `4-7`, or several of them with commas.
pub(super) fn slots(text: &str) -> Result<SlotSet, String> {
    text.parse().map_err(|error: redistrib_ops::model::SlotSetError| error.to_string())
}

/// `5000` keys, or bytes with a unit.
pub(super) fn rate(text: &str) -> Result<Rate, String> {
    let wrong =
        || format!("{text:?} is no rate: give keys as in 5000, or bytes as in 500KB, 20MB, 1GB");
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let count: u64 = digits.parse().map_err(|_| wrong())?;
    let unit = match text[digits.len()..].to_ascii_lowercase().as_str() {
        "" | "keys" => return if count > 0 { Ok(Rate::Keys(count)) } else { Err(wrong()) },
        "b" => 1,
        "k" | "kb" | "kib" => 1 << 10,
        "m" | "mb" | "mib" => 1 << 20,
        "g" | "gb" | "gib" => 1 << 30,
        _ => return Err(wrong()),
    };
    count.checked_mul(unit).filter(|bytes| *bytes > 0).map(Rate::Bytes).ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_keys_or_bytes() {
        assert_eq!(rate("5000"), Ok(Rate::Keys(5000)));
        assert_eq!(rate("5000keys"), Ok(Rate::Keys(5000)));
        assert_eq!(rate("20MB"), Ok(Rate::Bytes(20 << 20)));
        assert_eq!(rate("1g"), Ok(Rate::Bytes(1 << 30)));
        for text in ["", "0", "0MB", "-1", "x", "5 MB", "5TB", "99999999999999GB", "5é"] {
            assert!(rate(text).is_err(), "{text:?}");
        }
    }
}
