//! Commands: bytes out.

use std::fmt;

use bytes::Bytes;

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

/// Appends a type byte with a length behind it.
#[inline]
pub(crate) fn write_header(out: &mut Vec<u8>, tag: u8, length: usize) {
    // Copies of a size known beforehand are a single store each.
    match length {
        0..10 => out.extend_from_slice(&[tag, digit(length), b'\r', b'\n']),
        10..100 => {
            out.extend_from_slice(&[tag, digit(length / 10), digit(length % 10), b'\r', b'\n']);
        }
        _ => {
            out.push(tag);
            out.extend_from_slice(Digits::of(length as u64).as_bytes());
            out.extend_from_slice(b"\r\n");
        }
    }
}

fn digit(number: usize) -> u8 {
    b'0' + number as u8
}

/// Appends a bulk string.
#[inline]
pub(crate) fn write_bulk(out: &mut Vec<u8>, bytes: &[u8]) {
    write_header(out, b'$', bytes.len());
    out.extend_from_slice(bytes);
    out.extend_from_slice(b"\r\n");
}

/// Bulk strings of up to this many bytes are short.
const SHORT: usize = 32;

/// Room for any short bulk string with its header and CRLF.
const FRAME: usize = 40;

/// Room for several short bulk strings.
const BLOCK: usize = 256;

/// The most room that is made at once: twice as much each time.
const MOST_ROOM: usize = 4096;

/// Appends bulk strings, the short ones in blocks.
///
/// Room of a size known beforehand is made for several at once, and what is left over of it is given
/// back: each store, too, has a size known beforehand, and so few bytes are not worth calls.
struct Bulks<'a> {
    out: &'a mut Vec<u8>,
    /// Where what has been written ends, and the room begins.
    end: usize,
    /// How much room is made next.
    room: usize,
}

impl<'a> Bulks<'a> {
    #[inline]
    fn behind(out: &'a mut Vec<u8>) -> Bulks<'a> {
        let end = out.len();
        Bulks { out, end, room: BLOCK }
    }

    // Inlined for sure, and what is rare is not, nor does it see `self`: that then stays in registers.
    #[inline(always)]
    fn push(&mut self, bytes: &[u8]) {
        if bytes.len() > SHORT {
            self.end = write_long(self.out, self.end, bytes);
            return;
        }
        if self.out.len() - self.end < FRAME {
            make_room(self.out, self.end + self.room);
            self.room = MOST_ROOM.min(2 * self.room);
        }
        let frame = &mut self.out[self.end..self.end + FRAME];
        self.end += write_short(frame, bytes);
    }

    /// Gives back the room that is left.
    #[inline]
    fn finish(self) {
        self.out.truncate(self.end);
    }
}

/// Writes a bulk string that is not short in place of the room that begins at `end`; answers with the
/// new end.
#[inline(never)]
fn write_long(out: &mut Vec<u8>, end: usize, bytes: &[u8]) -> usize {
    out.truncate(end);
    write_bulk(out, bytes);
    out.len()
}

#[inline(never)]
fn make_room(out: &mut Vec<u8>, until: usize) {
    out.resize(until, 0);
}

/// Writes a short bulk string to the front of a frame; answers with its length on the wire.
#[inline(always)]
fn write_short(frame: &mut [u8], bytes: &[u8]) -> usize {
    frame[..8].copy_from_slice(&HEADERS[bytes.len()]);
    let from = if bytes.len() < 10 { 4 } else { 5 };
    let text = &mut frame[from..];
    match bytes.len() {
        16.. => copy_ends::<16>(bytes, text),
        8.. => copy_ends::<8>(bytes, text),
        4.. => copy_ends::<4>(bytes, text),
        _ => bytes.iter().zip(text).for_each(|(from, to)| *to = *from),
    }
    let end = from + bytes.len();
    frame[end..end + 2].copy_from_slice(b"\r\n");
    end + 2
}

/// The headers of short bulk strings, by their length.
const HEADERS: [[u8; 8]; SHORT + 1] = {
    let mut headers = [*b"$0\r\n    "; SHORT + 1];
    let mut len = 0;
    while len <= SHORT {
        let (tens, units) = (b'0' + len as u8 / 10, b'0' + len as u8 % 10);
        headers[len] = match len {
            0..10 => [b'$', units, b'\r', b'\n', 0, 0, 0, 0],
            _ => [b'$', tens, units, b'\r', b'\n', 0, 0, 0],
        };
        len += 1;
    }
    headers
};

/// Copies `N` to twice `N` bytes as their first and their last `N`, which may overlap.
#[inline(always)]
fn copy_ends<const N: usize>(from: &[u8], to: &mut [u8]) {
    // Read before any is written: the compiler then keeps them in registers, and calls no memcpy.
    let (Some(first), Some(last)) = (from.first_chunk::<N>(), from.last_chunk::<N>()) else {
        return;
    };
    let (first, last) = (*first, *last);
    to[..N].copy_from_slice(&first);
    to[from.len() - N..][..N].copy_from_slice(&last);
}

/// The most bytes that a type byte with a length takes.
const HEADER: usize = 1 + 20 + 2;
