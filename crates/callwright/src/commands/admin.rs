//! `callwright admin`: what comes before there is a key.

use std::process::ExitCode;

use anyhow::Result;
use clap::{Args, Subcommand};
use serde_json::json;

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
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// List organisations.
    ListOrgs {
        #[command(flatten)]
        settings: Settings,
    },
}

pub(crate) async fn run(args: AdminArgs) -> Result<ExitCode> {
    match args.command {
        AdminCommand::CreateOrg {
            settings,
            name,
            json: as_json,
        } => {
            let store = platform::open_store(&settings.load(Vec::new())?).await?;
            let (organization, key) = platform::keys(&store).organization_create(&name).await?;
            store.close().await;
            if as_json {
                return show(&json!({ "organization_id": organization.id, "api_key": key }).to_string());
            }
            show(&format!(
                "organisation {} ({})\nAPI key      {key}\nThe key can't be shown again.",
                organization.id, name
            ))
        }
        AdminCommand::ListOrgs { settings } => {
            let store = platform::open_store(&settings.load(Vec::new())?).await?;
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
