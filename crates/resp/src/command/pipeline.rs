//! Many commands in one buffer.

use super::bulks::{BLOCK, Bulks, HEADER, write_header};
use super::{Arg, Command};

/// Commands to be sent in one go, encoded straight into one buffer.
///
/// ```
/// use redistrib_resp::{Command, Pipeline};
///
/// let mut pipeline = Pipeline::new();
/// pipeline.push(&Command::new("PING"));
/// pipeline.command(&[b"GET", b"key"]);
/// assert_eq!(pipeline.len(), 2);
/// assert_eq!(pipeline.as_bytes(), b"*1\r\n$4\r\nPING\r\n*2\r\n$3\r\nGET\r\n$3\r\nkey\r\n");
/// ```
#[derive(Clone, Debug, Default)]
pub struct Pipeline {
    commands: usize,
    encoded: Vec<u8>,
}

impl Pipeline {
    /// A pipeline without commands.
    ///
    /// ```
    /// # use redistrib_resp::Pipeline;
    /// assert!(Pipeline::new().is_empty());
    /// ```
    pub fn new() -> Pipeline {
        Pipeline::default()
    }

    /// Appends a command.
    ///
    /// ```
    /// # use redistrib_resp::{Command, Pipeline};
    /// let mut pipeline = Pipeline::new();
    /// pipeline.push(&Command::new("PING"));
    /// assert_eq!(pipeline.len(), 1);
    /// ```
    pub fn push(&mut self, command: &Command) {
        command.encode_into(&mut self.encoded);
        self.commands += 1;
    }

    /// Appends a command given as its name and arguments.
    ///
    /// ```
    /// # use redistrib_resp::Pipeline;
    /// let mut pipeline = Pipeline::new();
    /// pipeline.command(&[b"GET", b"key"]);
    /// assert_eq!(pipeline.as_bytes(), b"*2\r\n$3\r\nGET\r\n$3\r\nkey\r\n");
    /// ```
    #[inline]
    pub fn command(&mut self, args: &[&[u8]]) {
        // A rough bound is quicker to come by than the exact length.
        let len: usize = args.iter().map(|arg| arg.len()).sum();
        self.encoded.reserve(len + (args.len() + 1) * (HEADER + 2) + BLOCK);
        write_header(&mut self.encoded, b'*', args.len());
        let mut bulks = Bulks::behind(&mut self.encoded);
        args.iter().for_each(|arg| bulks.push(arg));
        bulks.finish();
        self.commands += 1;
    }

    /// Appends a command given as its name and arguments, of anything that can be an argument.
    ///
    /// ```
    /// # use redistrib_resp::Pipeline;
    /// let keys = vec!["DEL".to_owned(), "key".to_owned()];
    /// let mut pipeline = Pipeline::new();
    /// pipeline.command_from(&keys);
    /// assert_eq!(pipeline.as_bytes(), b"*2\r\n$3\r\nDEL\r\n$3\r\nkey\r\n");
    /// ```
    pub fn command_from<A: Arg>(&mut self, args: impl IntoIterator<Item = A>) {
        self.push(&Command::from_args(args));
    }

    /// The number of commands: as many replies are to be awaited.
    ///
    /// ```
    /// # use redistrib_resp::Pipeline;
    /// let mut pipeline = Pipeline::new();
    /// pipeline.command(&[b"PING"]);
    /// assert_eq!(pipeline.len(), 1);
    /// ```
    pub fn len(&self) -> usize {
        self.commands
    }

    /// Whether there are no commands.
    ///
    /// ```
    /// # use redistrib_resp::Pipeline;
    /// let mut pipeline = Pipeline::new();
    /// assert!(pipeline.is_empty());
    /// pipeline.command(&[b"PING"]);
    /// assert!(!pipeline.is_empty());
    /// ```
    pub fn is_empty(&self) -> bool {
        self.commands == 0
    }

    /// What is to be sent.
    ///
    /// ```
    /// # use redistrib_resp::Pipeline;
    /// let mut pipeline = Pipeline::new();
    /// pipeline.command(&[b"PING"]);
    /// assert_eq!(pipeline.as_bytes(), b"*1\r\n$4\r\nPING\r\n");
    /// ```
    pub fn as_bytes(&self) -> &[u8] {
        &self.encoded
    }

    /// What is to be sent, as its own.
    ///
    /// ```
    /// # use redistrib_resp::Pipeline;
    /// let mut pipeline = Pipeline::new();
    /// pipeline.command(&[b"PING"]);
    /// assert_eq!(pipeline.into_bytes().len(), 14);
    /// ```
    pub fn into_bytes(self) -> Vec<u8> {
        self.encoded
    }

    /// Removes the commands and keeps the room.
    ///
    /// ```
    /// # use redistrib_resp::Pipeline;
    /// let mut pipeline = Pipeline::new();
    /// pipeline.command(&[b"PING"]);
    /// pipeline.clear();
    /// assert!(pipeline.is_empty() && pipeline.as_bytes().is_empty());
    /// ```
    pub fn clear(&mut self) {
        self.commands = 0;
        self.encoded.clear();
    }
}
