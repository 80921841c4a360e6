//! Which node this is: an id in the data folder, made at the first start.

use std::{
    fs::{self, OpenOptions},
    io::{self, Write as _},
    path::Path,
};

use domain::nodes::NodeId;
use uuid::Uuid;

/// The id in `path`, which is made first if there is none.
pub(crate) fn node_in(path: &Path) -> io::Result<NodeId> {
    if !path.exists() {
        make(path)?;
    }
    let text = fs::read_to_string(path)?;
    let id = text.trim().parse().map_err(|_| {
        let wrong = format!("{} holds no id; delete it, and another is made", path.display());
        io::Error::new(io::ErrorKind::InvalidData, wrong)
    })?;
    Ok(NodeId(id))
}

/// Whole or not at all: another process may do the same, and the first one's id counts.
fn make(path: &Path) -> io::Result<()> {
    let id = Uuid::now_v7();
    let draft = path.with_extension(id.simple().to_string());
    let mut file = OpenOptions::new().write(true).create_new(true).open(&draft)?;
    writeln!(file, "{id}")?;
    file.sync_all()?;
    let linked = fs::hard_link(&draft, path);
    fs::remove_file(&draft)?;
    match linked {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        done => done,
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn a_folder_keeps_its_node() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("node.id");
        let makers: Vec<_> = (0..8)
            .map(|_| {
                let path = path.clone();
                std::thread::spawn(move || node_in(&path).unwrap())
            })
            .collect();
        let made: Vec<NodeId> = makers.into_iter().map(|maker| maker.join().unwrap()).collect();
        assert!(made.iter().all(|id| *id == made[0]), "{made:?}");
        assert_eq!(node_in(&path).unwrap(), made[0]);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        fs::write(&path, "x").unwrap();
        assert!(node_in(&path).is_err());
    }
}
