//! `callwright admin copy-database`: from the file of one machine to a server for several.

use std::{path::PathBuf, process::ExitCode};

use anyhow::{Context, Result, bail};
use clap::Args;
use store::{DatabaseAddress, SqlStore, TableComparison, compare_databases, copy_database};

use crate::{Settings, commands::line, config::Config, platform};

#[derive(Args)]
pub(crate) struct CopyArgs {
    #[command(flatten)]
    settings: Settings,
    /// The `SQLite` file. Its `secret.key` is that of the data folder.
    #[arg(long, value_name = "PATH")]
    from: PathBuf,
    /// The empty PostgreSQL database, `postgres://…`, on which `callwright migrate` ran.
    #[arg(long, value_name = "ADDRESS")]
    to: String,
    /// Copy nothing, only compare.
    #[arg(long)]
    compare: bool,
}

pub(crate) async fn run(args: CopyArgs) -> Result<ExitCode> {
    let config = args.settings.load(Vec::new())?;
    let (source, target) = open_both(&config, &args).await?;
    // What a running server writes meanwhile would be left behind.
    let _alone = if args.compare {
        None
    } else {
        Some(platform::lock(&config)?)
    };
    let outcome = if args.compare {
        compare_databases(&source, &target).await
    } else {
        copy_database(&source, &target).await
    };
    source.close().await;
    target.close().await;
    let compared = outcome?;
    show(&compared);
    let differing = compared.iter().filter(|table| !table.is_equal()).count();
    if differing > 0 {
        line(&format!("{differing} of {} tables DIFFER", compared.len()));
        return Ok(ExitCode::FAILURE);
    }
    line(&format!("all {} tables are equal", compared.len()));
    if !args.compare {
        line(&format!(
            "Now start with --database and the same secret.key ({}); recordings stay files in the data folder.",
            config.data.join("secret.key").display()
        ));
    }
    Ok(ExitCode::SUCCESS)
}

async fn open_both(config: &Config, args: &CopyArgs) -> Result<(SqlStore, SqlStore)> {
    let (from, key) = (&args.from, config.data.join("secret.key"));
    if !from.is_file() {
        bail!("there is no file {}", from.display());
    }
    // Opening would make a new one, with which nothing could be read.
    if !key.is_file() {
        bail!(
            "there is no {}; name the folder that holds the key of the source with --data",
            key.display()
        );
    }
    let to: DatabaseAddress = args.to.parse().context("--to can't be used")?;
    let source = SqlStore::open_without_migrating(&from.as_path().into(), &config.data)
        .await
        .with_context(|| format!("the database {} can't be opened", from.display()))?;
    let target = SqlStore::open_without_migrating(&to, &config.data)
        .await
        .with_context(|| format!("the database {to} can't be opened"))?;
    Ok((source, target))
}

/// Hashes are cut: who compares by eye needs no more.
fn show(compared: &[TableComparison]) {
    let width = compared.iter().map(|table| table.table.len()).max().unwrap_or(0);
    line(&format!(
        "{:width$}  {:>10}  {:>10}  {:16}  {:16}",
        "table", "source", "target", "hash", "hash"
    ));
    for table in compared {
        let [from, to] = [0, 1].map(|side| &table.hashes[side][..16]);
        let verdict = if table.is_equal() { "equal" } else { "DIFFERS" };
        line(&format!(
            "{:width$}  {:>10}  {:>10}  {from}  {to}  {verdict}",
            table.table, table.rows[0], table.rows[1]
        ));
    }
}
