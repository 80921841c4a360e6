//! `callwright admin credits|trial|subscription|ledger-verify`: money, beside the API.

use std::{process::ExitCode, sync::Arc};

use anyhow::{Result, ensure};
use clap::{Args, Subcommand};
use contract::{Credits, CreditsGrant, LedgerEntry, SubscriptionStart, TrialStart};
use domain::{
    Actor, Change,
    billing::{Billing, Posted},
    clock::SystemClock,
    records::Page,
};

use crate::{
    Settings,
    commands::{Side, show, table, told},
    platform,
};

/// Lines of a ledger that are shown.
const ENTRIES_SHOWN: u32 = 50;

/// Longest that a trial may be, as in the API.
const DAYS_MAX: i64 = 3650;
/// Longest text, as in the API.
const CHARS_MAX: usize = 255;

/// Which organisation, and where its data lies.
#[derive(Args)]
pub(crate) struct Of {
    #[command(flatten)]
    settings: Settings,
    /// Id of the organisation.
    #[arg(long, value_name = "ID")]
    organization: String,
}

#[derive(Subcommand)]
pub(crate) enum CreditsCommand {
    /// Give credits.
    Grant {
        #[command(flatten)]
        of: Of,
        /// How many, such as 12.5.
        #[arg(long)]
        credits: Credits,
        /// For people.
        #[arg(long, value_parser = text)]
        note: Option<String>,
        /// A name for this gift: the same name gives once.
        #[arg(long, value_name = "NAME")]
        operation: Option<String>,
    },
    /// List the newest entries of the ledger.
    List {
        #[command(flatten)]
        of: Of,
    },
}

#[derive(Subcommand)]
pub(crate) enum TrialCommand {
    /// Start a trial, even a second one.
    Start {
        #[command(flatten)]
        of: Of,
        /// How long; as configured when left out.
        #[arg(long, value_parser = clap::value_parser!(u32).range(1..=DAYS_MAX))]
        days: Option<u32>,
    },
    /// End the trial now.
    Stop {
        #[command(flatten)]
        of: Of,
    },
}

#[derive(Subcommand)]
pub(crate) enum SubscriptionCommand {
    /// Start a subscription, or mend one whose payment is missing.
    Start {
        #[command(flatten)]
        of: Of,
        /// Name of the plan.
        #[arg(long, value_parser = text)]
        plan: Option<String>,
    },
    /// Note that a payment is missing: the days of grace begin.
    PastDue {
        #[command(flatten)]
        of: Of,
    },
    /// End the subscription now.
    Stop {
        #[command(flatten)]
        of: Of,
    },
}

pub(crate) enum BillingCommand {
    Credits(CreditsCommand),
    Trial(TrialCommand),
    Subscription(SubscriptionCommand),
    Verify(Settings),
}

impl BillingCommand {
    pub(crate) async fn run(self) -> Result<ExitCode> {
        match self {
            Self::Credits(CreditsCommand::Grant {
                of,
                credits,
                note,
                operation,
            }) => {
                let (billing, change) = of.open().await?;
                let grant = CreditsGrant {
                    credits: credits.as_f64(),
                    note,
                };
                given(&billing.credits_grant(&change, grant, operation).await?)
            }
            Self::Credits(CreditsCommand::List { of }) => list(&of).await,
            Self::Trial(TrialCommand::Start { of, days }) => {
                let (billing, change) = of.open().await?;
                shown(&billing.trial_start(&change, TrialStart { days }).await?)
            }
            Self::Trial(TrialCommand::Stop { of }) => {
                let (billing, change) = of.open().await?;
                shown(&billing.trial_stop(&change).await?)
            }
            Self::Subscription(SubscriptionCommand::Start { of, plan }) => {
                let (billing, change) = of.open().await?;
                shown(&billing.subscription_start(&change, SubscriptionStart { plan }).await?)
            }
            Self::Subscription(SubscriptionCommand::PastDue { of }) => {
                let (billing, change) = of.open().await?;
                shown(&billing.subscription_past_due(&change).await?)
            }
            Self::Subscription(SubscriptionCommand::Stop { of }) => {
                let (billing, change) = of.open().await?;
                shown(&billing.subscription_stop(&change).await?)
            }
            Self::Verify(settings) => verify(&settings).await,
        }
    }
}

impl Of {
    async fn open(&self) -> Result<(Billing, Change)> {
        let billing = billing(&self.settings).await?;
        let scope = billing.organization_named(&self.organization).await.map_err(told)?;
        Ok((billing, Change::by(scope, Actor::command_line())))
    }
}

/// Text as the API takes it.
fn text(given: &str) -> Result<String> {
    ensure!(!given.is_empty(), "must not be empty");
    ensure!(
        given.chars().count() <= CHARS_MAX,
        "may have at most {CHARS_MAX} characters"
    );
    Ok(given.to_owned())
}

async fn billing(settings: &Settings) -> Result<Billing> {
    let config = settings.load(Vec::new())?;
    let store = platform::open_present_store(&config).await?;
    Ok(Billing::new(store, Arc::new(SystemClock), config.billing.rules()?))
}

async fn list(of: &Of) -> Result<ExitCode> {
    let (billing, change) = of.open().await?;
    let page = Page {
        limit: ENTRIES_SHOWN,
        offset: 0,
        before: None,
    };
    let entries = billing.ledger_list(change.scope, page).await?;
    let count = format!("{} of {} entries, newest first", entries.items.len(), entries.total);
    show(&format!("{}\n{count}", ledger(&entries.items)))
}

fn ledger(entries: &[LedgerEntry]) -> String {
    let columns = [
        ("at", Side::Left),
        ("kind", Side::Left),
        ("credits", Side::Right),
        ("held", Side::Right),
        ("left", Side::Right),
        ("note", Side::Left),
    ];
    let rows = entries.iter().map(|entry| {
        [
            entry.created_at.to_string(),
            format!("{:?}", entry.kind).to_lowercase(),
            entry.available.to_string(),
            entry.balance_reserved.to_string(),
            entry.balance.to_string(),
            entry.note.clone().unwrap_or_default(),
        ]
    });
    table(columns, &rows.collect::<Vec<_>>())
}

async fn verify(settings: &Settings) -> Result<ExitCode> {
    let report = billing(settings).await?.ledger_verify().await?;
    let mut lines = vec![format!(
        "{} entries of {} accounts, {} open reservations",
        report.entries, report.accounts, report.open_reservations
    )];
    lines.extend(report.faults.iter().map(|fault| format!("WRONG: {fault}")));
    if report.faults.is_empty() {
        lines.push("every balance follows from its entries".to_owned());
    }
    show(&lines.join("\n"))?;
    Ok(if report.faults.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn given(posted: &Posted) -> Result<ExitCode> {
    let entry = &posted.entry;
    show(&if posted.is_new {
        format!("{} credits given; there are {} now", entry.available, entry.balance)
    } else {
        let given = entry.available;
        format!(
            "{given} credits were given under this name on {}; none now",
            entry.created_at
        )
    })
}

fn shown(billing: &contract::Billing) -> Result<ExitCode> {
    show(&format!(
        "{}; {} credits, {} more are held",
        billing.standing.name(),
        billing.balance,
        billing.reserved
    ))
}
