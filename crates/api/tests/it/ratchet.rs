//! The list of errors that no test has provoked yet.

use std::collections::BTreeSet;

#[test]
fn the_list_of_unseen_errors_names_only_what_exists_in_order() {
    let lines = include_str!("../../contract-unseen.txt").lines();
    let listed: Vec<_> = lines
        .map(|line| line.split('#').next().unwrap_or_default().trim())
        .collect();
    let known: BTreeSet<_> = contract::Reason::ALL
        .iter()
        .map(|reason| format!("{}.{}", reason.code().name(), reason.name()))
        .collect();
    assert!(listed.iter().all(|pair| known.contains(*pair)), "{listed:?}");
    assert!(listed.is_sorted(), "{listed:?}");
}
