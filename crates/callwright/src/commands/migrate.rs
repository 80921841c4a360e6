//! `callwright migrate`.

use std::process::ExitCode;

use anyhow::{Context, Result};
use store::SqlStore;

use crate::{commands::line, config::Config, platform};

pub(crate) async fn run(config: Config) -> Result<ExitCode> {
    platform::make_data_folder(&config)?;
    let address = config.database()?;
    let store = SqlStore::open_without_migrating(&address, &config.data)
        .await
        .with_context(|| format!("the database {address} can't be opened"))?;
    let pending = store.pending_migrations().await?;
    for name in &pending {
        line(&format!("to apply: {name}"));
    }
    store
        .migrate()
        .await
        .context("the migrations did not all apply; nothing of the failed one remains")?;
    line(&format!("{} applied, the database is up to date", pending.len()));
    store.close().await;
    Ok(ExitCode::SUCCESS)
}
