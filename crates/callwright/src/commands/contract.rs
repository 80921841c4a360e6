//! `callwright contract check`: asks a running deployment whether it keeps the contract.

use std::{io::Write as _, process::ExitCode, time::Duration};

use anyhow::{Context as _, Result, ensure};
use clap::{Args, Subcommand};
use probe::{Conclusion, Report, Settings, Target};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::{commands::line, telemetry::say_error};

#[derive(Args)]
pub(crate) struct ContractArgs {
    #[command(subcommand)]
    command: ContractCommand,
}

#[derive(Subcommand)]
enum ContractCommand {
    /// Send hundreds of good, bad and hostile requests, and print which rules were broken.
    ///
    /// Changes nothing unless it may, and obeys limits by waiting. Ends with 0 if every rule held, with 1 if one was
    /// broken or something could not be removed, with 2 if nobody answered or the address or the key is not right,
    /// with 3 if not everything could be asked.
    Check(CheckArgs),
}

#[derive(Args)]
struct CheckArgs {
    /// Where the deployment is, without the path of the API.
    #[arg(long, value_name = "URL")]
    base_url: Target,
    /// A key of it; `-` reads it from standard input, where no list of processes shows it.
    #[arg(long)]
    key: String,
    /// Also make, change and delete things; what was made is removed.
    #[arg(long)]
    allow_writes: bool,
    /// Only this group of checks; may be given several times.
    #[arg(long, value_name = "GROUP", value_parser = clap::builder::PossibleValuesParser::new(probe::GROUPS))]
    only: Vec<String>,
    /// Print every check as JSON.
    #[arg(long)]
    json: bool,
    /// Most requests.
    #[arg(long, value_name = "COUNT", default_value_t = 3000)]
    max_requests: usize,
    /// Longest time spent waiting because of limits, in all.
    #[arg(long, value_name = "SECONDS", default_value_t = 1800)]
    max_wait_seconds: u64,
    /// Longest wait for an answer.
    #[arg(long, value_name = "SECONDS", default_value_t = 30)]
    timeout_seconds: u64,
    /// Do not tell how far it has come.
    #[arg(long)]
    quiet: bool,
}

/// A key as it was given, or from standard input.
pub(super) fn key(given: &str) -> Result<String> {
    let key = if given == "-" {
        std::io::read_to_string(std::io::stdin()).context("no key on standard input")?
    } else {
        given.to_owned()
    };
    let key = key.trim().to_owned();
    ensure!(!key.is_empty(), "the key is empty");
    ensure!(
        key.len() >= 8 && key.bytes().all(|byte| byte.is_ascii_graphic()),
        "that is no key: those of Callwright begin with cw_ and have 43 characters"
    );
    Ok(key)
}

/// Longest time a server may let a silent client be; the deadlines of ours are far below.
const HANG: Duration = Duration::from_secs(75);

/// Longest wait until what was made can be removed: the rest of the longest window but a day's.
const CLEAN_UP: Duration = Duration::from_mins(61);

/// Runs to its end. The first signal stops the questions, so that what was made is still removed; the second one all.
async fn unless_interrupted(
    run: impl Future<Output = Report> + Send,
    stop: &CancellationToken,
) -> Result<Option<Report>> {
    let mut terminate = signal(SignalKind::terminate()).context("SIGTERM can't be watched")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("Ctrl-C can't be watched")?;
    let mut run = Box::pin(run);
    loop {
        tokio::select! {
            report = &mut run => return Ok(Some(report)),
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        if stop.is_cancelled() {
            return Ok(None);
        }
        stop.cancel();
        let _ = writeln!(
            std::io::stderr(),
            "stopping; what was made is removed first, unless you stop again"
        );
    }
}

/// What the command ends with; `docs/contract-check.md` says so too.
fn status(conclusion: Conclusion) -> ExitCode {
    match conclusion {
        Conclusion::Holds => ExitCode::SUCCESS,
        Conclusion::Broken => ExitCode::FAILURE,
        Conclusion::NothingAsked => ExitCode::from(2),
        Conclusion::CutShort => ExitCode::from(3),
    }
}

pub(crate) async fn run(args: ContractArgs) -> Result<ExitCode> {
    let ContractCommand::Check(args) = args.command;
    let stop = CancellationToken::new();
    let key = match key(&args.key) {
        Ok(key) => key,
        Err(error) => {
            // A rule that is broken ends with 1.
            say_error(&format!("{error:#}"));
            return Ok(status(Conclusion::NothingAsked));
        }
    };
    let settings = Settings {
        target: args.base_url,
        key,
        allow_writes: args.allow_writes,
        requests_max: args.max_requests,
        wait_max: Duration::from_secs(args.max_wait_seconds),
        clean_up_wait_max: CLEAN_UP,
        stop: stop.clone(),
        patience: Duration::from_secs(args.timeout_seconds),
        hang: HANG,
        only: args.only,
        document: api::openapi(),
    };
    let is_quiet = args.quiet;
    let progress = Box::new(move |text: &str| {
        if !is_quiet {
            let _ = writeln!(std::io::stderr(), "{text}");
        }
    });
    let Some(report) = unless_interrupted(probe::run(settings, progress), &stop).await? else {
        return Ok(ExitCode::from(130));
    };
    if args.json {
        line(&serde_json::to_string_pretty(&report).context("the report can't be written")?);
    } else {
        line(&report.text());
    }
    Ok(status(report.conclusion()))
}
