//! Questions to the user. They are the peers' word for word, since scripts answer them.

use std::io::{self, BufRead, Write};

use redistrib_ops::model::{NodeId, NodeName};

use crate::voice;

/// Asks on one stream and reads answers, line by line, from another. The end of the answers counts as no: nothing is
/// ever done because nobody was there to say so.
#[derive(Debug)]
pub struct Prompt<R, W> {
    answers: R,
    questions: W,
}

/// The answers ended before the question was answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoAnswer;

impl std::fmt::Display for NoAnswer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&voice::spelt("nobody answers: give the options that are asked for, and --yes"))
    }
}

impl std::error::Error for NoAnswer {}

impl From<NoAnswer> for io::Error {
    fn from(error: NoAnswer) -> Self {
        Self::new(io::ErrorKind::UnexpectedEof, error)
    }
}

/// Asks on standard output, reads from standard input.
pub type StandardPrompt = Prompt<io::StdinLock<'static>, io::Stdout>;

impl StandardPrompt {
    /// Standard input and output.
    pub fn standard() -> Self {
        Self::new(io::stdin().lock(), io::stdout())
    }
}

impl<R: BufRead, W: Write> Prompt<R, W> {
    /// Asks on `questions`, reads from `answers`.
    pub fn new(answers: R, questions: W) -> Self {
        Self { answers, questions }
    }

    /// Whether the user accepts what has just been shown.
    ///
    /// ```
    /// use redistrib_cli::prompt::Prompt;
    /// let mut asked = Vec::new();
    /// assert!(Prompt::new(&b"yes\n"[..], &mut asked).accepts("Can I set the above configuration?")?);
    /// assert_eq!(asked, b"Can I set the above configuration? (type 'yes' to accept): ");
    /// assert!(!Prompt::new(&b""[..], &mut asked).accepts("Really?")?);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    ///
    /// # Errors
    /// Those of the streams.
    pub fn accepts(&mut self, question: &str) -> io::Result<bool> {
        let answer = self.ask(&format!("{question} (type 'yes' to accept): "))?;
        Ok(answer.is_some_and(|answer| answer.eq_ignore_ascii_case("yes")))
    }

    /// How many slots to move.
    ///
    /// # Errors
    /// [`NoAnswer`], and those of the streams.
    pub fn slot_count(&mut self, most: u16) -> io::Result<u16> {
        loop {
            let answer =
                self.insist(&format!("How many slots do you want to move (from 1 to {most})? "))?;
            match answer.parse() {
                Ok(count) if (1..=most).contains(&count) => return Ok(count),
                _ => continue,
            }
        }
    }

    /// Which master takes the slots: one that `known` finds.
    ///
    /// # Errors
    /// [`NoAnswer`], and those of the streams.
    pub fn receiver(&mut self, known: impl Fn(&NodeName) -> Option<NodeId>) -> io::Result<NodeId> {
        loop {
            let answer = self.insist("What is the receiving node ID? ")?;
            match named(&answer, &known) {
                Some(id) => return Ok(id),
                None => self.complain(&answer)?,
            }
        }
    }

    /// Which masters give slots: such as `known` finds, other than `receiver`. None where all others are meant.
    ///
    /// # Errors
    /// [`NoAnswer`], and those of the streams.
    pub fn sources(
        &mut self,
        receiver: NodeId,
        known: impl Fn(&NodeName) -> Option<NodeId>,
    ) -> io::Result<Vec<NodeId>> {
        writeln!(self.questions, "Please enter all the source node IDs.")?;
        writeln!(
            self.questions,
            "  Type 'all' to use all the nodes as source nodes for the hash slots."
        )?;
        writeln!(self.questions, "  Type 'done' once you entered all the source nodes IDs.")?;
        let mut sources = Vec::new();
        loop {
            let answer = self.insist(&format!("Source node #{}: ", sources.len() + 1))?;
            match (answer.as_str(), named(&answer, &known)) {
                ("all", _) => return Ok(Vec::new()),
                ("done", _) if sources.is_empty() => {
                    writeln!(self.questions, "*** No source nodes given yet.")?;
                }
                ("done", _) => return Ok(sources),
                (_, Some(id)) if id == receiver => {
                    writeln!(
                        self.questions,
                        "*** It is not possible to use the target node as source node."
                    )?;
                }
                (_, Some(id)) if sources.contains(&id) => {
                    writeln!(self.questions, "*** That node is among the sources already.")?;
                }
                (_, Some(id)) => sources.push(id),
                _ => self.complain(&answer)?,
            }
        }
    }

    /// Whether to continue the reshard plan just shown.
    ///
    /// # Errors
    /// Those of the streams.
    pub fn proceeds(&mut self) -> io::Result<bool> {
        let answer =
            self.ask("Do you want to proceed with the proposed reshard plan (yes/no)? ")?;
        Ok(answer.is_some_and(|answer| answer.eq_ignore_ascii_case("yes")))
    }

    fn complain(&mut self, answer: &str) -> io::Result<()> {
        let answer = crate::escape::Escaped(answer);
        let text = format!(
            "*** The specified node ({answer}) is not known or not a master, please retry."
        );
        writeln!(self.questions, "{}", crate::voice::in_words(text))
    }

    fn insist(&mut self, question: &str) -> io::Result<String> {
        self.ask(question)?.ok_or_else(|| NoAnswer.into())
    }

    /// `None` where the answers have ended.
    fn ask(&mut self, question: &str) -> io::Result<Option<String>> {
        write!(self.questions, "{question}")?;
        self.questions.flush()?;
        let mut answer = Vec::new();
        // Bytes, not text: a slip on the keyboard that is no UTF-8 is a wrong answer, not a failure.
        if self.answers.read_until(b'\n', &mut answer)? == 0 {
            writeln!(self.questions)?;
            return Ok(None);
        }
        Ok(Some(String::from_utf8_lossy(&answer).trim().to_owned()))
    }
}

/// The node that an answer names.
fn named(answer: &str, known: impl Fn(&NodeName) -> Option<NodeId>) -> Option<NodeId> {
    known(&answer.parse().ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(digit: char) -> NodeId {
        digit.to_string().repeat(40).parse().unwrap()
    }

    fn id_of(name: &NodeName) -> Option<NodeId> {
        name.as_str().parse().ok()
    }

    fn dialogue<T>(
        answers: &str,
        ask: impl FnOnce(&mut Prompt<&[u8], &mut Vec<u8>>) -> io::Result<T>,
    ) -> (io::Result<T>, String) {
        let mut questions = Vec::new();
        let result = ask(&mut Prompt::new(answers.as_bytes(), &mut questions));
        (result, String::from_utf8(questions).unwrap())
    }

    #[test]
    fn only_yes_is_yes() {
        for (answers, accepted) in
            [("yes\n", true), (" YES \r\n", true), ("y\n", false), ("no\n", false), ("", false)]
        {
            assert_eq!(dialogue(answers, |p| p.accepts("Ok?")).0.unwrap(), accepted, "{answers:?}");
            assert_eq!(dialogue(answers, |p| p.proceeds()).0.unwrap(), accepted, "{answers:?}");
        }
    }

    #[test]
    fn wrong_answers_are_asked_again_and_the_end_is_an_error() {
        let (count, asked) = dialogue("0\nx\n16385\n12\n", |p| p.slot_count(16384));
        assert_eq!(count.unwrap(), 12);
        assert_eq!(
            asked.matches("How many slots do you want to move (from 1 to 16384)? ").count(),
            4
        );
        let (count, _) = dialogue("x", |p| p.slot_count(16384));
        assert_eq!(count.unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
    }

    #[test]
    fn the_receiver_must_be_known() {
        let (a, b) = (id('a'), id('b'));
        let (chosen, asked) = dialogue(&format!("junk\n{a}\n{b}\n"), |p| {
            p.receiver(|name| id_of(name).filter(|id| *id == b))
        });
        assert_eq!(chosen.unwrap(), b);
        assert!(asked.contains("*** The specified node (junk) is not known or not a master"));
        assert!(asked.contains(&format!("({a})")));
    }

    #[test]
    fn sources_are_gathered_until_done() {
        let (a, b, c) = (id('a'), id('b'), id('c'));
        let answers = format!("done\n{c}\n{a}\n{a}\nx\n{b}\ndone\n");
        let (sources, asked) = dialogue(&answers, |p| p.sources(c, id_of));
        assert_eq!(sources.unwrap(), [a, b]);
        for expected in
            ["No source nodes given", "target node as source", "already", "(x) is not known"]
        {
            assert!(asked.contains(expected), "{expected}");
        }
        let (all, _) = dialogue(&format!("{a}\nall\n"), |p| p.sources(c, id_of));
        assert_eq!(all.unwrap(), []);
    }
}
