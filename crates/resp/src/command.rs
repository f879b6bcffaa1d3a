//! Commands: bytes out.

mod bulks;
mod pipeline;

use std::fmt;

use bytes::Bytes;

use bulks::Bulks;
pub(crate) use bulks::{write_bulk, write_header};
pub use pipeline::Pipeline;

use crate::number::{Digits, read_unsigned};

/// Something that can stand as an argument of a command: text, bytes or a number.
///
/// ```
/// use redistrib_resp::{Arg, Command};
///
/// struct Slot(u16);
///
/// impl Arg for Slot {
///     fn with_bytes<R>(&self, use_bytes: impl FnOnce(&[u8]) -> R) -> R {
///         self.0.with_bytes(use_bytes)
///     }
/// }
///
/// let command = Command::new("CLUSTER").arg("COUNTKEYSINSLOT").arg(Slot(42));
/// assert_eq!(command.args().last(), Some(&b"42"[..]));
/// ```
pub trait Arg {
    /// Gives the argument's bytes to a function, and returns what that returns.
    fn with_bytes<R>(&self, use_bytes: impl FnOnce(&[u8]) -> R) -> R;
}

impl<T: Arg + ?Sized> Arg for &T {
    #[inline]
    fn with_bytes<R>(&self, use_bytes: impl FnOnce(&[u8]) -> R) -> R {
        (**self).with_bytes(use_bytes)
    }
}

macro_rules! bytes_as_arg {
    ($([$($generic:tt)*] $type:ty: $as_bytes:expr;)*) => {$(
        impl<$($generic)*> Arg for $type {
            #[inline]
            fn with_bytes<R>(&self, use_bytes: impl FnOnce(&[u8]) -> R) -> R {
                let as_bytes: fn(&$type) -> &[u8] = $as_bytes;
                use_bytes(as_bytes(self))
            }
        }
    )*};
}

bytes_as_arg! {
    [] str: |text| text.as_bytes();
    [] String: |text| text.as_bytes();
    [] [u8]: |bytes| bytes;
    [] Vec<u8>: |bytes| bytes;
    [] Bytes: |bytes| bytes;
    [const N: usize] [u8; N]: |bytes| bytes;
}

macro_rules! integer_as_arg {
    ($($type:ty)*) => {$(
        impl Arg for $type {
            #[inline]
            fn with_bytes<R>(&self, use_bytes: impl FnOnce(&[u8]) -> R) -> R {
                // The widest integer has 20 characters, its sign included.
                #[allow(unused_comparisons, reason = "one macro for signed and unsigned")]
                if *self < 0 {
                    return use_bytes(self.to_string().as_bytes());
                }
                use_bytes(Digits::of(*self as u64).as_bytes())
            }
        }
    )*};
}

integer_as_arg! { u8 u16 u32 u64 usize i8 i16 i32 i64 isize }

impl Arg for f64 {
    fn with_bytes<R>(&self, use_bytes: impl FnOnce(&[u8]) -> R) -> R {
        use_bytes(self.to_string().as_bytes())
    }
}

/// One command with its arguments, encoded as they are added.
///
/// ```
/// use redistrib_resp::Command;
///
/// let command = Command::new("CLUSTER").arg("SETSLOT").arg(93).arg("STABLE");
/// let mut wire = Vec::new();
/// command.encode_into(&mut wire);
/// assert_eq!(wire, b"*4\r\n$7\r\nCLUSTER\r\n$7\r\nSETSLOT\r\n$2\r\n93\r\n$6\r\nSTABLE\r\n");
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Command {
    count: usize,
    /// The name and the arguments, each as a bulk string.
    encoded: Vec<u8>,
}

impl Command {
    /// A command without arguments.
    ///
    /// ```
    /// # use redistrib_resp::Command;
    /// assert_eq!(Command::new("PING").name(), b"PING");
    /// ```
    pub fn new(name: impl Arg) -> Command {
        Command { count: 0, encoded: Vec::new() }.arg(name)
    }

    /// A command from its name and arguments; without any it is the empty array, which servers
    /// skip without an answer.
    ///
    /// ```
    /// # use redistrib_resp::Command;
    /// let line = "CONFIG GET maxmemory";
    /// let command = Command::from_args(line.split(' '));
    /// assert_eq!(command.name(), b"CONFIG");
    /// ```
    pub fn from_args<A: Arg>(args: impl IntoIterator<Item = A>) -> Command {
        Command { count: 0, encoded: Vec::new() }.args_from(args)
    }

    /// Adds an argument.
    ///
    /// ```
    /// # use redistrib_resp::Command;
    /// let command = Command::new("SET").arg("key").arg(42);
    /// assert_eq!(command.args().count(), 3);
    /// ```
    #[must_use]
    pub fn arg(mut self, arg: impl Arg) -> Command {
        self.push(arg);
        self
    }

    /// Adds arguments.
    ///
    /// ```
    /// # use redistrib_resp::Command;
    /// let command = Command::new("DEL").args_from(["a", "b"]);
    /// assert_eq!(command.args().last(), Some(&b"b"[..]));
    /// ```
    #[must_use]
    pub fn args_from<A: Arg>(mut self, args: impl IntoIterator<Item = A>) -> Command {
        let mut bulks = Bulks::behind(&mut self.encoded);
        for arg in args {
            arg.with_bytes(|bytes| bulks.push(bytes));
            self.count += 1;
        }
        bulks.finish();
        self
    }

    /// Adds an argument in place.
    ///
    /// ```
    /// # use redistrib_resp::Command;
    /// let mut command = Command::new("DEL");
    /// command.push("key");
    /// assert_eq!(command.args().count(), 2);
    /// ```
    pub fn push(&mut self, arg: impl Arg) {
        arg.with_bytes(|bytes| write_bulk(&mut self.encoded, bytes));
        self.count += 1;
    }

    /// The command's name as it was given, not folded to one case.
    ///
    /// ```
    /// # use redistrib_resp::Command;
    /// assert_eq!(Command::new("get").arg("key").name(), b"get");
    /// ```
    pub fn name(&self) -> &[u8] {
        self.args().next().unwrap_or_default()
    }

    /// The name and the arguments.
    ///
    /// ```
    /// # use redistrib_resp::Command;
    /// let command = Command::new("GET").arg("key");
    /// assert!(command.args().eq([&b"GET"[..], b"key"]));
    /// ```
    pub fn args(&self) -> impl Iterator<Item = &[u8]> + Clone {
        let mut rest = &self.encoded[..];
        std::iter::repeat_with(move || {
            let (len, from) = read_unsigned(rest, 1).ok()?;
            let end = from + len as usize;
            let arg = &rest[from..end];
            rest = &rest[end + 2..];
            Some(arg)
        })
        .take(self.count)
        .flatten()
    }

    /// Appends the command as it goes over the wire.
    ///
    /// ```
    /// # use redistrib_resp::Command;
    /// let mut wire = Vec::new();
    /// Command::new("PING").encode_into(&mut wire);
    /// assert_eq!(wire, b"*1\r\n$4\r\nPING\r\n");
    /// ```
    pub fn encode_into(&self, out: &mut Vec<u8>) {
        write_header(out, b'*', self.count);
        out.extend_from_slice(&self.encoded);
    }
}

/// The name and the number of arguments: what the arguments say may be a password.
impl fmt::Debug for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let arguments = self.count.saturating_sub(1);
        write!(f, "Command({}, {arguments} arguments)", self.name().escape_ascii())
    }
}
