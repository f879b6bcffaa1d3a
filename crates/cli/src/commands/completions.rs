//! `completions`: the scripts of clap_complete, corrected where Tab finds nothing in them.

use anyhow::Context;
use clap::builder::PossibleValuesParser;
use clap::{Arg, Command};
use clap_complete::Shell;

use super::Outcome;
use crate::args::{CompletionsArgs, command};
use crate::dialect::{Program, peers_model};
use crate::output::print_bytes;

pub(super) fn completions(args: &CompletionsArgs) -> anyhow::Result<Outcome> {
    let name = args.name.name();
    let model = match args.name {
        Program::RedisTrib => Some(with_verbs(command())),
        peer => peers_model(peer),
    };
    let mut model = model.context("there is no terminal to complete for")?;
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut model, name, &mut script);
    let mut script = String::from_utf8(script)?;
    match args.shell {
        Shell::Bash => script = with_one_spelling(&script, name),
        Shell::Zsh => script = with_values_apart(&script),
        Shell::Fish => script.push_str(&fish_words(&model, name)),
        _ => {}
    }
    print_bytes(script.as_bytes())?;
    Ok(Outcome::Done)
}

/// The model with the verbs as values of `man`, which takes any text.
fn with_verbs(model: Command) -> Command {
    let verbs = verbs_of(&model);
    model.mut_subcommand("man", |man| {
        man.mut_arg("verb", |verb| verb.value_parser(PossibleValuesParser::new(verbs)))
    })
}

fn verbs_of(model: &Command) -> Vec<String> {
    let verbs = model.get_subcommands().map(|verb| verb.get_name().to_owned());
    verbs.filter(|verb| verb != "help").collect()
}

/// For bash. The script spells a program's name with a hyphen in two ways, and so finds nothing behind a verb.
fn with_one_spelling(script: &str, name: &str) -> String {
    script.replace(&name.replace('-', "__subcmd__"), &name.replace('-', "__"))
}

/// For zsh. Values become words of their own, which is all that redis-cli's dialect knows: `--cluster check`.
fn with_values_apart(script: &str) -> String {
    let lines = script.lines().map(|line| match line.split_once("=[") {
        Some((option, rest)) if !option.contains('[') => format!("{option}[{rest}\n"),
        _ => format!("{line}\n"),
    });
    lines.collect()
}

/// For fish. The script has no values of arguments that are no options, and takes `help` for a verb behind itself.
fn fish_words(model: &Command, name: &str) -> String {
    let arguments = model.get_subcommands().flat_map(|verb| {
        let values = verb.get_positionals().flat_map(Arg::get_possible_values);
        let values: Vec<String> = values.map(|value| value.get_name().to_owned()).collect();
        (!values.is_empty()).then(|| (verb.get_name(), values))
    });
    let help = model.find_subcommand("help").map(|help| (help.get_name(), verbs_of(model)));
    let lines = arguments.chain(help).map(|(verb, words)| {
        let condition = format!("__fish_{}_using_subcommand {verb}", name.replace('-', "_"));
        format!("complete -c {name} -n \"{condition}\" -f -a \"{}\"\n", words.join(" "))
    });
    lines.collect()
}
