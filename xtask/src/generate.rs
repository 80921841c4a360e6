//! Files that are written by a program from the code, and are checked in so that people can read them.

use std::{
    fs,
    io::Write as _,
    path::Path,
    process::{Command, Stdio},
};

use anyhow::{Context as _, Result, ensure};

use crate::{Faults, say, sdk};

/// The golden corpus, which every client library decodes.
const CORPUS: &str = "sdks/golden";

/// The API document.
const DOCUMENT: &str = "docs/openapi.json";

/// A generated file, as it should be now.
struct Generated {
    path: String,
    content: String,
}

/// Writes what differs; first what needs no build of the whole program.
pub(crate) fn write(root: &Path) -> Result<()> {
    errors()?.iter().try_for_each(|file| write_one(root, file))?;
    corpus().iter().try_for_each(|file| write_one(root, file))?;
    for path in stray(root)? {
        fs::remove_file(root.join(&path)).with_context(|| format!("removing {path}"))?;
        say(&format!("removed {path}"));
    }
    write_one(root, &client_catalogue()?)?;
    told_by_the_program(root)?
        .iter()
        .try_for_each(|file| write_one(root, file))
}

/// Writes the client from the document that lies there, which is enough where only wire types or pages changed.
pub(crate) fn write_client(root: &Path) -> Result<()> {
    corpus().iter().try_for_each(|file| write_one(root, file))?;
    write_one(root, &client_catalogue()?)?;
    let document = fs::read_to_string(root.join(DOCUMENT)).context(DOCUMENT)?;
    write_one(root, &client_operations(root, &document)?)
}

fn write_one(root: &Path, file: &Generated) -> Result<()> {
    if is_current(root, file) {
        return Ok(());
    }
    let path = root.join(&file.path);
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).with_context(|| format!("making {}", folder.display()))?;
    }
    fs::write(path, &file.content).with_context(|| format!("writing {}", file.path))?;
    say(&format!("wrote {}", file.path));
    Ok(())
}

/// Names what `write` would change.
pub(crate) fn check(root: &Path) -> Result<Faults> {
    let mut files = errors()?;
    files.extend(corpus());
    files.push(client_catalogue()?);
    files.extend(told_by_the_program(root)?);
    let mut faults = stale(root, &files);
    faults.extend(
        stray(root)?
            .iter()
            .map(|path| format!("{path} belongs to no reason; run `cargo xtask gen`")),
    );
    Ok(faults)
}

/// Like `check`, but only of what needs no build of the whole program.
pub(crate) fn check_quick(root: &Path) -> Result<Faults> {
    Ok(stale(root, &errors()?))
}

fn stale(root: &Path, files: &[Generated]) -> Faults {
    let stale = files.iter().filter(|file| !is_current(root, file));
    stale
        .map(|file| format!("{} is stale; run `cargo xtask gen`", file.path))
        .collect()
}

fn is_current(root: &Path, file: &Generated) -> bool {
    fs::read_to_string(root.join(&file.path)).is_ok_and(|present| present == file.content)
}

fn errors() -> Result<Vec<Generated>> {
    let json = serde_json::to_string_pretty(&contract::docs::errors_json())?;
    Ok(vec![
        Generated {
            path: "docs/errors.md".to_owned(),
            content: contract::docs::errors_markdown(),
        },
        Generated {
            path: "docs/errors.json".to_owned(),
            content: format!("{json}\n"),
        },
    ])
}

fn corpus() -> Vec<Generated> {
    let files = contract::golden::files().into_iter();
    files
        .map(|(path, content)| Generated {
            path: format!("{CORPUS}/{path}"),
            content,
        })
        .collect()
}

/// Files of the corpus that no reason has any more.
fn stray(root: &Path) -> Result<Vec<String>> {
    let known: Vec<_> = corpus().into_iter().map(|file| file.path).collect();
    let output = Command::new("git")
        .current_dir(root)
        .args(["ls-files", "--cached", "--others", "--exclude-standard", CORPUS])
        .output()
        .context("starting git")?;
    let reason = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "git lists no files: {}", reason.trim());
    let listed = String::from_utf8_lossy(&output.stdout);
    let present = listed
        .lines()
        .filter(|path| Path::new(path).extension().is_some_and(|extension| extension == "json"))
        .filter(|path| root.join(path).exists());
    let unknown = present.filter(|path| !known.iter().any(|known| known == path));
    Ok(unknown.map(ToOwned::to_owned).collect())
}

fn client_catalogue() -> Result<Generated> {
    Ok(Generated {
        path: "sdks/rust/src/catalogue.rs".to_owned(),
        content: formatted(&sdk::catalogue())?,
    })
}

/// What only the program itself knows: its API, from the handlers, with the client that is written from it, and its
/// settings, from their types.
fn told_by_the_program(root: &Path) -> Result<Vec<Generated>> {
    let content = document(root)?;
    let operations = client_operations(root, &content)?;
    let path = DOCUMENT.to_owned();
    let settings = Generated {
        path: "docs/configuration.md".to_owned(),
        content: said(root, &[PROGRAM, &["config", "--reference"]].concat())?,
    };
    Ok(vec![Generated { path, content }, operations, settings])
}

fn client_operations(root: &Path, document: &str) -> Result<Generated> {
    let read = serde_json::from_str(document).context("the API document is not JSON")?;
    Ok(Generated {
        path: "sdks/rust/src/operations.rs".to_owned(),
        content: formatted(&sdk::operations(root, &read)?)?,
    })
}

/// As `cargo fmt` would leave it.
fn formatted(code: &str) -> Result<String> {
    let mut rustfmt = Command::new("rustfmt")
        .args(["--edition", "2024", "--config", "max_width=120"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .context("starting rustfmt")?;
    let mut input = rustfmt.stdin.take().context("rustfmt has no input")?;
    input.write_all(code.as_bytes()).context("writing to rustfmt")?;
    drop(input);
    let output = rustfmt.wait_with_output().context("waiting for rustfmt")?;
    ensure!(output.status.success(), "rustfmt refused what was generated:\n{code}");
    String::from_utf8(output.stdout).context("rustfmt did not answer with text")
}

const PROGRAM: &[&str] = &["run", "--quiet", "--locked", "--package", "callwright", "--"];

/// The program stands on the client that is written from its document, so a wire type that got another name could keep
/// it from building; then the API alone prints the document.
fn document(root: &Path) -> Result<String> {
    let by_api = ["run", "--quiet", "--locked", "--package", "api", "--example", "openapi"];
    said(root, &[PROGRAM, &["openapi"]].concat()).or_else(|_| said(root, &by_api))
}

fn said(root: &Path, arguments: &[&str]) -> Result<String> {
    let output = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .current_dir(root)
        .args(arguments)
        .output()
        .context("starting cargo")?;
    ensure!(
        output.status.success(),
        "cargo {}: {}",
        arguments.join(" "),
        String::from_utf8_lossy(&output.stderr).trim()
    );
    String::from_utf8(output.stdout).context("a generated file that is not UTF-8")
}
