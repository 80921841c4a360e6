//! `callwright admin`: what comes before there is a key.

mod identity;
mod request;

use std::process::ExitCode;

use anyhow::Result;
use clap::{Args, Subcommand};

use super::{
    billing::{BillingCommand, CreditsCommand, SubscriptionCommand, TrialCommand},
    limits::SetLimitsArgs,
};
use crate::{Settings, commands::show, platform};

#[derive(Args)]
pub(crate) struct AdminArgs {
    #[command(subcommand)]
    command: AdminCommand,
}

#[derive(Subcommand)]
enum AdminCommand {
    /// Create an organisation and its first API key. The key is shown this once.
    CreateOrg {
        #[command(flatten)]
        settings: Settings,
        /// For people.
        #[arg(long)]
        name: String,
        /// Its first owner: the subject of their tokens.
        #[arg(long, value_name = "SUBJECT")]
        owner: Option<String>,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Grant an organisation limits of its own. What is not given becomes as the configuration says; 0 takes a
    /// window's limit away.
    SetLimits(SetLimitsArgs),
    /// Show what is known of a failed request, by the `request_id` of its answer.
    Request {
        #[command(flatten)]
        settings: Settings,
        /// The `meta.request_id` of the answer, or its header `X-Request-Id`.
        id: String,
        /// Ask a server that is running elsewhere, and not its database: where it is, without the path of the API.
        #[arg(long, value_name = "URL", requires = "key")]
        base_url: Option<String>,
        /// An operator's key of that server; `-` reads it from standard input, where no list of processes shows it.
        #[arg(long, requires = "base_url")]
        key: Option<String>,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    #[command(flatten)]
    Identity(identity::IdentityCommand),
    #[command(flatten)]
    OperatorKey(identity::OperatorKeyCommand),
    /// Copy a whole `SQLite` database into an empty PostgreSQL one, and prove by a hash of every table that it arrived.
    CopyDatabase(super::copy_database::CopyArgs),
    /// List organisations.
    ListOrgs {
        #[command(flatten)]
        settings: Settings,
    },
    /// Give credits, or list where they went.
    #[command(subcommand)]
    Credits(CreditsCommand),
    /// Start or stop an organisation's trial.
    #[command(subcommand)]
    Trial(TrialCommand),
    /// Start or stop an organisation's subscription, or note that a payment is missing.
    #[command(subcommand)]
    Subscription(SubscriptionCommand),
    /// Compute every balance again from the ledger, and say what does not add up.
    LedgerVerify {
        #[command(flatten)]
        settings: Settings,
    },
}

pub(crate) async fn run(args: AdminArgs) -> Result<ExitCode> {
    match args.command {
        AdminCommand::CreateOrg {
            settings,
            name,
            owner,
            json: as_json,
        } => {
            let store = platform::open_store(&settings.load(Vec::new())?).await?;
            let opened = identity::create_org(&store, &name, owner, as_json).await;
            store.close().await;
            opened
        }
        AdminCommand::Credits(command) => BillingCommand::Credits(command).run().await,
        AdminCommand::Trial(command) => BillingCommand::Trial(command).run().await,
        AdminCommand::Subscription(command) => BillingCommand::Subscription(command).run().await,
        AdminCommand::LedgerVerify { settings } => BillingCommand::Verify(settings).run().await,
        AdminCommand::SetLimits(limits) => limits.run().await,
        AdminCommand::Request {
            settings,
            id,
            base_url,
            key,
            json: as_json,
        } => match base_url.zip(key) {
            Some((base_url, key)) => request::run_at(&base_url, &key, &id, as_json).await,
            None => request::run(&settings.load(Vec::new())?, &id, as_json).await,
        },
        AdminCommand::Identity(command) => identity::run(command).await,
        AdminCommand::OperatorKey(command) => command.run().await,
        AdminCommand::CopyDatabase(args) => super::copy_database::run(args).await,
        AdminCommand::ListOrgs { settings } => {
            let store = platform::open_present_store(&settings.load(Vec::new())?).await?;
            let organizations = platform::keys(&store).organization_list().await?;
            store.close().await;
            let lines: Vec<_> = organizations
                .iter()
                .map(|one| format!("{}  {}  {}", one.id, one.created_at, one.name))
                .collect();
            show(&lines.join("\n"))
        }
    }
}
