//! `lab`.

use redistrib_ops::lab::{Lab, NodeState, NodeStatus, Options};

use super::{Outcome, Session};
use crate::args::{LabDirArgs, LabUpArgs, LabVerb};
use crate::report::Reporter;

pub(super) fn lab(verb: &LabVerb) -> anyhow::Result<Outcome> {
    match verb {
        LabVerb::Up(args) => up(args),
        LabVerb::Status(args) => status(args),
        LabVerb::Down(args) => down(args),
        LabVerb::Destroy(args) => destroy(args),
    }
}

fn up(args: &LabUpArgs) -> anyhow::Result<Outcome> {
    let session = Session::for_report(&args.report)?;
    let credentials = session.settings.credentials.as_ref();
    let options = Options {
        nodes: args.nodes.map(usize::from),
        replicas: args.replicas,
        port: args.port,
        server: args.server.clone(),
        password: credentials.map(|it| it.password.clone()),
        ..Options::default()
    };
    let reporter = Reporter::new(&session.output);
    let lab = session
        .act(&reporter, |context| Lab::up(&args.dir, &options, &session.settings, context))?;
    let nodes: Vec<String> = lab.endpoints().iter().map(ToString::to_string).collect();
    session.output.line(format_args!("[OK] The lab is up: {}", nodes.join(" ")));
    session.output.document(&lab.status());
    Ok(Outcome::Done)
}

fn status(args: &LabDirArgs) -> anyhow::Result<Outcome> {
    let session = Session::for_report(&args.report)?;
    let nodes = Lab::open(&args.dir, &session.settings)?.status();
    session.output.lines(nodes.iter().map(line));
    session.output.document(&nodes);
    Ok(if nodes.iter().all(NodeStatus::is_up) { Outcome::Done } else { Outcome::Failed })
}

fn line(status: &NodeStatus) -> String {
    let state = match &status.state {
        NodeState::Up { process, version, role, loading } => {
            let loading = if *loading { ", loading its data" } else { "" };
            format!("up       process {process}, version {version}, {role}{loading}")
        }
        NodeState::Silent { process } => format!("silent   process {process} does not answer"),
        NodeState::Down => "down".into(),
        NodeState::PortTaken => "down     something else has its port".into(),
        NodeState::Unknown { reason } => format!("unknown  {reason}"),
    };
    format!("127.0.0.1:{} {state}", status.port)
}

fn down(args: &LabDirArgs) -> anyhow::Result<Outcome> {
    let session = Session::for_report(&args.report)?;
    let ports = Lab::open(&args.dir, &session.settings)?.down()?;
    session.output.line(match ports.len() {
        0 => "[OK] No server of the lab was running".into(),
        count => {
            format!("[OK] {count} servers stopped; their data stays in {}", args.dir.display())
        }
    });
    session.output.document(&ports);
    Ok(Outcome::Done)
}

fn destroy(args: &LabDirArgs) -> anyhow::Result<Outcome> {
    let session = Session::for_report(&args.report)?;
    Lab::open(&args.dir, &session.settings)?.destroy()?;
    session.output.line(format_args!("[OK] The lab in {} is gone", args.dir.display()));
    Ok(Outcome::Done)
}
