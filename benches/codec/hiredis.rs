//! hiredis, the C library beneath many clients: a program of its own, since calling it from here
//! would take `unsafe` code.

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use redistrib_ops::lab::TestServer;

use crate::report::target;

pub(crate) const NAME: &str = "hiredis";

/// The program, compiled.
pub(crate) struct Hiredis {
    program: PathBuf,
    wire: PathBuf,
}

impl Hiredis {
    /// Compiles the program with the library that comes with the Redis 7.0 under test; says so if
    /// that cannot be done.
    pub(crate) fn build() -> Option<Hiredis> {
        let folder = target().join("bench");
        let hiredis = Hiredis { program: folder.join(NAME), wire: folder.join("hiredis.wire") };
        match fs::create_dir_all(&folder).map_err(Into::into).and_then(|()| hiredis.compile()) {
            Ok(()) => Some(hiredis),
            Err(error) => {
                eprintln!("hiredis is left out: {error}");
                None
            }
        }
    }

    fn compile(&self) -> Result<(), Box<dyn Error>> {
        let server = TestServer::named("redis-7.0")?.program;
        let redis = server.ancestors().nth(2).ok_or("the server has no folder")?;
        let library = redis.join("lib/libhiredis.a");
        if !library.exists() {
            return Err(format!("{} is missing", library.display()).into());
        }
        let mut compiler = Command::new("cc");
        compiler.args(["-O3", "-o"]).arg(&self.program).arg("-I").arg(redis.join("include"));
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("codec/hiredis.c");
        let status = compiler.arg(source).arg(library).status()?;
        if status.success() { Ok(()) } else { Err(format!("cc: {status}").into()) }
    }

    /// The median time in nanoseconds for a pass over these bytes, fed in pieces of this length.
    pub(crate) fn time(&self, wire: &[u8], piece: usize, expected: u64) -> f64 {
        fs::write(&self.wire, wire).expect("the target folder can be written");
        let mut program = Command::new(&self.program);
        let output = program.arg(&self.wire).arg(piece.to_string()).output().expect("it starts");
        let text = String::from_utf8_lossy(&output.stdout);
        let (sum, time) = text.trim().split_once(' ').expect("a sum and a time");
        assert_eq!(sum.parse(), Ok(expected), "hiredis reads the same");
        time.parse().expect("a time is a number")
    }
}
