//! The Callwright binary: configuration, wiring, and the commands of the operator.

mod commands;
mod config;
mod platform;
mod services;
mod telemetry;

use std::{path::PathBuf, process::ExitCode};

use anyhow::Result;
use clap::{Args, Parser, Subcommand};
use config::Config;
use toml::Value;

/// A request and a turn of a call take and give back hundreds of small pieces of memory.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// A self-hosted platform for voice agents that answer and place phone calls.
#[derive(Parser)]
#[command(name = "callwright", version, propagate_version = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run the platform: the API, SIP and media, until it is told to stop.
    Serve(ServeArgs),
    #[cfg(feature = "local")]
    /// Start a platform, let a simulated caller ring an agent, and print what they said.
    Demo(commands::demo::DemoArgs),
    /// Ring `sip:NUMBER@HOST:PORT` and play a caller: a softphone for tests and demos.
    Call(commands::call::CallArgs),
    /// Work on organisations and keys, beside the API.
    Admin(commands::admin::AdminArgs),
    /// Check the contract of a running deployment.
    Contract(commands::contract::ContractArgs),
    /// Fetch, list and check the local models.
    Models(commands::models::ModelsArgs),
    /// Look for what would keep the platform from working, and say how to mend it.
    Doctor(Settings),
    /// Bring the database to this version.
    Migrate(Settings),
    /// Print the effective configuration.
    Config(ConfigArgs),
    /// Print the `OpenAPI` document.
    Openapi,
}

/// Settings that most commands share; each is also in the configuration file and in the environment.
#[derive(Args, Clone, Debug, Default)]
struct Settings {
    /// Configuration file (TOML).
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Folder of the database, the recordings and the key that seals secrets.
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// The database, a path or `postgres://…`; a file in the data folder when left out.
    #[arg(long, value_name = "ADDRESS")]
    database: Option<String>,
}

impl Settings {
    fn load(&self, more: Vec<(&str, Value)>) -> Result<Config> {
        let data = self
            .data
            .iter()
            .map(|data| ("data", Value::String(data.display().to_string())));
        let database = (self.database.iter()).map(|address| ("database", Value::String(address.clone())));
        Config::load(self.config.as_deref(), data.chain(database).chain(more).collect())
    }
}

#[derive(Args)]
struct ConfigArgs {
    #[command(flatten)]
    settings: Settings,
    /// Print the page about every setting instead, as Markdown.
    #[arg(long)]
    reference: bool,
}

#[derive(Args)]
struct ServeArgs {
    #[command(flatten)]
    settings: Settings,
    /// Where the API listens.
    #[arg(long, value_name = "ADDR:PORT")]
    listen: Option<String>,
    /// Where SIP listens, UDP and TCP.
    #[arg(long, value_name = "ADDR:PORT")]
    sip: Option<String>,
}

impl ServeArgs {
    fn load(&self) -> Result<Config> {
        let listen = self.listen.iter().map(|at| ("listen", Value::String(at.clone())));
        let sip = self.sip.iter().map(|at| ("sip.listen", Value::String(at.clone())));
        self.settings.load(listen.chain(sip).collect())
    }
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    // Several of our dependencies can bring a TLS provider; one must be chosen before any of them is used.
    if rustls::crypto::ring::default_provider().install_default().is_err() {
        telemetry::say_error("a TLS provider was installed before ours");
        return ExitCode::FAILURE;
    }
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            telemetry::say_error(&format!("the runtime can't start: {error}"));
            return ExitCode::FAILURE;
        }
    };
    match runtime.block_on(run(cli.command)) {
        Ok(code) => code,
        Err(error) => {
            telemetry::say_error(&domain::error::chain(error.as_ref()));
            ExitCode::FAILURE
        }
    }
}

async fn run(command: Command) -> Result<ExitCode> {
    match command {
        Command::Serve(args) => commands::serve::run(args.load()?).await,
        #[cfg(feature = "local")]
        Command::Demo(args) => commands::demo::run(args).await,
        Command::Call(args) => commands::call::run(args).await,
        Command::Admin(args) => commands::admin::run(args).await,
        Command::Contract(args) => commands::contract::run(args).await,
        Command::Models(args) => commands::models::run(&args),
        Command::Doctor(settings) => commands::doctor::run(settings.load(Vec::new())?).await,
        Command::Migrate(settings) => commands::migrate::run(settings.load(Vec::new())?).await,
        Command::Config(ConfigArgs { reference: true, .. }) => commands::show(config::markdown()?.trim_end()),
        Command::Config(ConfigArgs { settings, .. }) => commands::show(&settings.load(Vec::new())?.shown()?),
        Command::Openapi => commands::show(&serde_json::to_string_pretty(&api::openapi())?),
    }
}
