//! `ichor worker`: the other end of a stage that runs in a process of its own. Hosts start it.

use std::process::ExitCode;

#[derive(clap::Args)]
pub struct Args {
    /// Number of the inherited socket
    socket: i32,
}

pub fn run(args: &Args) -> ExitCode {
    ExitCode::from(ichor_host::worker_main(args.socket))
}
