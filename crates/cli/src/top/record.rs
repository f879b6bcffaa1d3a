//! Samples in a file, one JSON document a line, and read back.

use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use anyhow::Context;
use redistrib_ops::model::sample::Sample;

use crate::escape::Escaped;

/// The longest line that is read: a sample of several thousand nodes.
const LONGEST_LINE: u64 = 32 << 20;
/// The most samples that are read: of twelve days, one a second.
const MOST_SAMPLES: usize = 1 << 20;

/// A file that samples are written to.
#[derive(Debug)]
pub struct Recorder {
    file: File,
    path: PathBuf,
}

impl Recorder {
    /// Goes on with the file, or begins it. Only its owner may read it.
    ///
    /// # Errors
    /// Where it cannot be written.
    pub fn open(path: &Path) -> anyhow::Result<Self> {
        let mut options = OpenOptions::new();
        options.append(true).read(true).create(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let file = options.open(path).and_then(end_last_line);
        let file = file.with_context(|| format!("cannot write {}", path.display()))?;
        Ok(Self { file, path: path.to_owned() })
    }

    /// Adds a sample.
    ///
    /// # Errors
    /// Where the file cannot be written.
    pub fn write(&mut self, sample: &Sample) -> io::Result<()> {
        let mut line = serde_json::to_vec(sample)?;
        line.push(b'\n');
        let path = self.path.display();
        self.file
            .write_all(&line)
            .map_err(|error| io::Error::new(error.kind(), format!("cannot write {path}: {error}")))
    }
}

/// A recorder that was killed may have left half a line: what is added begins a new one.
fn end_last_line(mut file: File) -> io::Result<File> {
    // A pipe has neither a length nor a last line.
    if file.metadata()?.is_file() && file.seek(SeekFrom::End(0))? > 0 {
        file.seek(SeekFrom::End(-1))?;
        let mut last = [0];
        file.read_exact(&mut last)?;
        if last != *b"\n" {
            file.write_all(b"\n")?;
        }
    }
    Ok(file)
}

/// A file of samples. It stays on disk: one is read when it is shown.
#[derive(Debug)]
pub struct Recording {
    file: BufReader<File>,
    path: PathBuf,
    /// Where the line of each sample begins.
    places: Vec<u64>,
    cut_lines: usize,
}

/// What a line of a recording holds.
#[derive(Debug)]
enum RecordedLine {
    Sample(Box<Sample>),
    /// The beginning of a sample: whoever wrote it was ended meanwhile.
    Cut,
    /// There is no line any more.
    End,
}

impl Recording {
    /// Looks through the file.
    ///
    /// # Errors
    /// Where it cannot be read, or a line is no sample; the line is named.
    pub fn open(path: &Path) -> anyhow::Result<Self> {
        let name = || format!("cannot read {}", path.display());
        let file = BufReader::new(File::open(path).with_context(name)?);
        let mut recording = Self { file, path: path.to_owned(), places: Vec::new(), cut_lines: 0 };
        let mut place = 0;
        for number in 1.. {
            let (line, length) = recording.read_line(number)?;
            match line {
                RecordedLine::End => break,
                RecordedLine::Cut => recording.cut_lines += 1,
                RecordedLine::Sample(_) => recording.places.push(place),
            }
            anyhow::ensure!(
                number <= MOST_SAMPLES,
                "{}: more than {MOST_SAMPLES} samples: play a part of it",
                path.display()
            );
            place += length;
        }
        anyhow::ensure!(
            !recording.places.is_empty(),
            "{}: there is no sample in it",
            path.display()
        );
        Ok(recording)
    }

    /// How many lines hold no more than the beginning of a sample, and are left out.
    pub fn cut_lines(&self) -> usize {
        self.cut_lines
    }

    /// How many samples there are; never none.
    pub fn count(&self) -> usize {
        self.places.len()
    }

    /// One of them, from 0; the last one for a place behind it.
    ///
    /// # Errors
    /// Where the file has changed meanwhile, or cannot be read.
    pub fn sample(&mut self, number: usize) -> anyhow::Result<Sample> {
        let number = number.min(self.places.len() - 1);
        self.file.seek(SeekFrom::Start(self.places[number]))?;
        match self.read_line(number + 1)? {
            (RecordedLine::Sample(sample), _) => Ok(*sample),
            _ => anyhow::bail!("{}: the file has become shorter", self.path.display()),
        }
    }

    /// What the next line holds, and how long it is.
    fn read_line(&mut self, number: usize) -> anyhow::Result<(RecordedLine, u64)> {
        let path = self.path.display();
        let mut line = Vec::new();
        let length = self.file.by_ref().take(LONGEST_LINE).read_until(b'\n', &mut line);
        let length = length.with_context(|| format!("cannot read {path}"))? as u64;
        if length == 0 {
            return Ok((RecordedLine::End, 0));
        }
        anyhow::ensure!(
            length < LONGEST_LINE,
            "{path}: line {number} is longer than {LONGEST_LINE} bytes"
        );
        match serde_json::from_slice(line.trim_ascii_end()) {
            Ok(sample) => Ok((RecordedLine::Sample(sample), length)),
            Err(error) if error.is_eof() && number > 1 => Ok((RecordedLine::Cut, length)),
            Err(error) => {
                let why = Escaped(error.to_string());
                anyhow::bail!("{path}: line {number} is no sample of `top --record`: {why}")
            }
        }
    }
}
