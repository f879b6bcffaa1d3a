//! `lab`.

use anyhow::ensure;
use redistrib_ops::lab::{Failure, Lab, LabOptions, Layout, ServerState, ServerStatus};
use redistrib_ops::model::declare::Declared;
use redistrib_ops::model::{Address, counted};
use redistrib_ops::{Apply, Context, carry_out};

use super::{Outcome, Session, declared};
use crate::args::{LabAddArgs, LabDirArgs, LabNodesArgs, LabUpArgs, LabVerb};
use crate::report::Reporter;

pub(super) fn lab(verb: &LabVerb) -> anyhow::Result<Outcome> {
    match verb {
        LabVerb::Up(args) => up(args),
        LabVerb::Status(args) => status(args),
        LabVerb::Add(args) => add(args),
        LabVerb::Kill(args) => each(args, |lab, place, _| {
            Ok(if lab.crash(place)? { "is killed" } else { "was not running" })
        }),
        LabVerb::Pause(args) => each(args, |lab, place, _| {
            Ok(if lab.pause(place)? { "is paused" } else { "was not running" })
        }),
        LabVerb::Start(args) => each(args, |lab, place, context| {
            Ok(if lab.start(place, context)? { "is up" } else { "was running" })
        }),
        LabVerb::Down(args) => down(args),
        LabVerb::Destroy(args) => destroy(args),
    }
}

fn up(args: &LabUpArgs) -> anyhow::Result<Outcome> {
    let session = Session::for_report(&args.report)?;
    let declared = args.topology.as_deref().map(declared::read).transpose()?;
    let asked = LabOptions {
        nodes: args.nodes.map(usize::from),
        replicas: args.replicas,
        port: args.port,
        ..LabOptions::default()
    };
    let asked = declared.as_ref().map_or(Ok(asked), servers_of)?;
    let credentials = session.settings.credentials.as_ref();
    let options = LabOptions {
        server: args.server.clone(),
        password: credentials.map(|it| it.password.clone()),
        ..asked
    };
    let reporter = Reporter::new(&session.output);
    let lab = session.act(&reporter, |context| {
        let lab = Lab::up(&args.dir, &options, &session.settings, context)?;
        if let Some(declared) = &declared {
            carry_out(Apply::new(declared.clone()), lab.settings(), context)?;
        }
        Ok::<Lab, Failure>(lab)
    })?;
    let nodes: Vec<String> = lab.endpoints().iter().map(ToString::to_string).collect();
    session.output.line(format_args!("[OK] The lab is up: {}", nodes.join(" ")));
    session.output.document(&lab.status());
    Ok(Outcome::Done)
}

/// The servers that a file declares: a lab's are on this machine, on ports that follow each other.
fn servers_of(declared: &Declared) -> anyhow::Result<LabOptions> {
    let addresses = declared.nodes.iter().map(|node| node.at.parse::<Address>());
    let mut addresses = addresses.collect::<Result<Vec<_>, _>>()?;
    addresses.sort();
    let first = addresses.first().map_or(0, |it| it.port);
    for (address, port) in addresses.iter().zip(first..) {
        ensure!(
            address.host == "127.0.0.1" && address.port == port,
            "{address}: a lab has its servers on 127.0.0.1, on ports that follow each other; 127.0.0.1:{port} is expected here"
        );
    }
    let nodes = Some(addresses.len());
    Ok(LabOptions {
        nodes,
        port: Some(first),
        layout: Some(Layout::Nodes),
        ..LabOptions::default()
    })
}

fn status(args: &LabDirArgs) -> anyhow::Result<Outcome> {
    let session = Session::for_report(&args.report)?;
    let nodes = Lab::open(&args.dir, &session.settings)?.status();
    session.output.lines(nodes.iter().map(line));
    session.output.document(&nodes);
    Ok(if nodes.iter().all(ServerStatus::is_up) { Outcome::Done } else { Outcome::Failed })
}

fn line(status: &ServerStatus) -> String {
    let state = match &status.state {
        ServerState::Up { process, version, role, loading } => {
            let loading = if *loading { ", loading its data" } else { "" };
            format!("up       process {process}, version {version}, {role}{loading}")
        }
        ServerState::Paused { process } => {
            format!("paused   process {process}; `lab start` lets it go on")
        }
        ServerState::Silent { process } => format!("silent   process {process} does not answer"),
        ServerState::Down => "down".into(),
        ServerState::PortTaken => "down     something else has its port".into(),
        ServerState::Unknown { reason } => format!("unknown  {reason}"),
    };
    format!("127.0.0.1:{} {state}", status.port)
}

fn add(args: &LabAddArgs) -> anyhow::Result<Outcome> {
    let session = Session::for_report(&args.lab.report)?;
    let mut lab = Lab::open(&args.lab.dir, &session.settings)?;
    let reporter = Reporter::new(&session.output);
    let count = usize::from(args.nodes);
    let places = session.act(&reporter, |context| lab.add(count, args.port, context))?;
    let endpoints = lab.endpoints();
    let names: Vec<String> = places.iter().map(|&place| endpoints[place].to_string()).collect();
    let next = match (lab.layout(), &endpoints[..], &endpoints[places[0]]) {
        (Layout::Cluster, [seed, ..], new) => {
            format!("; `redis-trib add-node {new} {seed}` takes it into the cluster")
        }
        _ => String::new(),
    };
    session.output.line(format_args!("[OK] The lab has more servers: {}{next}", names.join(" ")));
    let added: Vec<ServerStatus> = places.iter().map(|&place| lab.status_of(place)).collect();
    session.output.document(&added);
    Ok(Outcome::Done)
}

/// Does something with each of the servers named, once it is known that there are such, and returns what it did and how they fare then.
fn each(
    args: &LabNodesArgs,
    work: impl Fn(&Lab, usize, Context<'_>) -> Result<&'static str, Failure>,
) -> anyhow::Result<Outcome> {
    let session = Session::for_report(&args.lab.report)?;
    let lab = Lab::open(&args.lab.dir, &session.settings)?;
    let places = args.nodes.iter().map(|name| lab.find(name)).collect::<Result<Vec<_>, _>>()?;
    let endpoints = lab.endpoints();
    let reporter = Reporter::new(&session.output);
    session.act(&reporter, |context| {
        for &place in &places {
            let done = work(&lab, place, context)?;
            session.output.line(format_args!("[OK] {} {done}", endpoints[place]));
        }
        Ok::<(), Failure>(())
    })?;
    let statuses: Vec<ServerStatus> = places.iter().map(|&place| lab.status_of(place)).collect();
    session.output.document(&statuses);
    Ok(Outcome::Done)
}

fn down(args: &LabDirArgs) -> anyhow::Result<Outcome> {
    let session = Session::for_report(&args.report)?;
    let ports = Lab::open(&args.dir, &session.settings)?.down()?;
    session.output.line(match ports.len() {
        0 => "[OK] No server of the lab was running".into(),
        count => {
            format!(
                "[OK] {} stopped; their data stays in {}",
                counted(count, "server"),
                args.dir.display()
            )
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
