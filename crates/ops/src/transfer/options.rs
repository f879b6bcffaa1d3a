//! How keys are to be copied.

use crate::migrate::Rate;

/// What the caller may choose about a transfer.
///
/// ```
/// use redistrib_ops::migrate::Rate;
/// use redistrib_ops::transfer::TransferOptions;
///
/// let gentle = TransferOptions { rate: Some(Rate::Keys(10_000)), ..Default::default() };
/// assert!(!gentle.replace && !gentle.remove);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TransferOptions {
    /// Only keys that match this glob-style pattern, as of SCAN.
    pub matching: Option<Vec<u8>>,
    /// Overwrites keys that the target already has with another value.
    pub replace: bool,
    /// Removes a key from its source once the target has it and nothing has changed it meanwhile.
    pub remove: bool,
    /// Reads each key back from the target and compares it with the source.
    pub verify: bool,
    /// The most that is copied a second, over all connections; bytes are those of DUMP's payloads.
    pub rate: Option<Rate>,
    /// Connections to each source, each with its own to the targets; databases of one server share them. At least 1
    /// for each; default 8.
    pub connections: usize,
    /// The bytes of payload that each connection holds at most at a time, but for a single value that
    /// is larger. Default 2 MiB.
    pub window: usize,
}

impl Default for TransferOptions {
    fn default() -> Self {
        Self {
            matching: None,
            replace: false,
            remove: false,
            verify: false,
            rate: None,
            connections: 8,
            window: 2 << 20,
        }
    }
}
