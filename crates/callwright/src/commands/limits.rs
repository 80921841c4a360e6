//! `callwright admin set-limits`.

use std::process::ExitCode;

use anyhow::Result;
use clap::Args;
use contract::{OrganizationLimits, RateLimits};
use domain::{Actor, Change, keys::PLATFORM, records::Scope};

use crate::{
    Settings,
    commands::{show, told},
    platform,
};

#[derive(Args)]
pub(crate) struct SetLimitsArgs {
    #[command(flatten)]
    settings: Settings,
    /// The organisation's id.
    #[arg(long)]
    organization: String,
    /// Requests in a minute.
    #[arg(long)]
    minute: Option<u32>,
    /// Requests in an hour.
    #[arg(long)]
    hour: Option<u32>,
    /// Requests in a day.
    #[arg(long)]
    day: Option<u32>,
    /// Calls at once.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
    concurrent_calls: Option<u32>,
}

impl SetLimitsArgs {
    pub(crate) async fn run(self) -> Result<ExitCode> {
        let limits = OrganizationLimits {
            rate_limits: RateLimits {
                minute: self.minute,
                hour: self.hour,
                day: self.day,
            },
            concurrent_calls: self.concurrent_calls,
        };
        let store = platform::open_present_store(&self.settings.load(Vec::new())?).await?;
        let change = Change::by(Scope { organization: PLATFORM }, Actor::command_line());
        let set = platform::granted(&store)
            .limits_set(&change, &self.organization, limits)
            .await;
        store.close().await;
        let set = serde_json::to_string_pretty(&set.map_err(told)?)?;
        show(&format!("{set}\nA running server knows it within ten seconds."))
    }
}
