//! Migrations only expand: nodes of the last release run beside those of this one, on the same database.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use anyhow::{Context, Result};

use crate::Faults;

const FOLDER: &str = "crates/store/migrations";
const ENGINES: [&str; 2] = ["sqlite", "postgres"];

/// What an older node may stumble over, and what to do instead.
const CONTRACTING: &[(&[&str], &str)] = &[
    (&["DROP", "TABLE"], "leave the table until no release uses it"),
    (&["DROP", "COLUMN"], "leave the column until no release uses it"),
    (&["DROP", "CONSTRAINT"], "a rule that older nodes rely on stays"),
    (&["RENAME"], "add the new name beside the old one"),
    (&["ALTER", "COLUMN"], "add a column of the new type beside the old one"),
    (&["SET", "NOT", "NULL"], "older nodes may still write nothing there"),
    (&["TRUNCATE"], "a migration deletes nothing"),
    (&["DELETE", "FROM"], "a migration deletes nothing"),
    (&["DROP", "INDEX"], "what older nodes look up by it stays quick"),
];
/// What keeps others from writing to a table for as long as it has rows, or refuses what older nodes write; fine in a
/// table that the same file creates.
const UNIQUE: &str = "a rule that older nodes don't know narrows what they may write";
const SLOW: &str = "in PostgreSQL an index of an older table is built CONCURRENTLY, in a file that begins with \
                    `-- no-transaction`";
/// Tables of so few rows that an index is built before anybody waits.
const OF_FEW_ROWS: &[&str] = &[
    "API_KEYS",
    "BILLING_CUSTOMERS",
    "BILLING_EVENTS",
    "BILLING_PURCHASES",
    "MEMBERS",
    "NUMBERS",
    "ORGANIZATIONS",
    "ORGANIZATION_LIMITS",
    "TRUNKS",
    "VOICES",
];
/// How a file begins whose statements run one by one and outside any transaction.
const NO_TRANSACTION: &str = "-- no-transaction";
const ONLINE: &[&str] = &["CREATE", "INDEX", "CONCURRENTLY", "IF", "NOT", "EXISTS"];

/// A number for each, the same set for both engines, and statements that only expand.
pub(crate) fn check(root: &Path) -> Result<Faults> {
    let folder = root.join(FOLDER);
    let mut faults = Faults::new();
    let mut sets = Vec::new();
    for engine in ENGINES {
        let files = read(&folder.join(engine))?;
        faults.extend(numbering(engine, files.keys().map(String::as_str)));
        for (name, sql) in &files {
            let found = contracting(sql).chain(offline(sql, engine == "postgres"));
            faults.extend(found.map(|fault| format!("{engine}/{name}: {fault}")));
        }
        sets.push(files.into_keys().collect::<Vec<_>>());
    }
    let [ours, theirs] = [&sets[0], &sets[1]];
    faults.extend(
        (ours.iter().filter(|name| !theirs.contains(name))).map(|name| format!("{name} is missing for postgres")),
    );
    faults.extend(
        (theirs.iter().filter(|name| !ours.contains(name))).map(|name| format!("{name} is missing for sqlite")),
    );
    Ok(faults)
}

fn read(folder: &Path) -> Result<BTreeMap<String, String>> {
    let entries = std::fs::read_dir(folder).with_context(|| format!("{} can't be read", folder.display()))?;
    let mut files = BTreeMap::new();
    for entry in entries {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        files.insert(name, std::fs::read_to_string(&path)?);
    }
    Ok(files)
}

fn numbering<'a>(engine: &str, names: impl Iterator<Item = &'a str>) -> Faults {
    let mut taken = BTreeMap::new();
    let mut faults = Faults::new();
    for name in names {
        let number = name.split_once('_').map_or("", |(number, _)| number);
        let is_sql = Path::new(name).extension().is_some_and(|extension| extension == "sql");
        if number.len() != 4 || !number.bytes().all(|digit| digit.is_ascii_digit()) || !is_sql {
            faults.push(format!("{engine}/{name} is not named NNNN_what.sql"));
        }
        if let Some(other) = taken.insert(number, name) {
            faults.push(format!("{engine}/{name} has the number of {other}"));
        }
    }
    faults
}

fn contracting(sql: &str) -> impl Iterator<Item = String> {
    let statements: Vec<Vec<String>> = without_comments(sql).split(';').map(words).collect();
    statements.into_iter().flat_map(|words| faults_of(&words))
}

fn faults_of(words: &[String]) -> Faults {
    // What follows `BEFORE` in a trigger is what it watches for, not what it does.
    if words.starts_with(&["CREATE".to_owned(), "TRIGGER".to_owned()]) {
        return Faults::new();
    }
    let contains = |wanted: &[&str]| words.windows(wanted.len()).any(|window| window == wanted);
    let mut faults: Faults = (CONTRACTING.iter())
        .filter(|(wanted, _)| contains(wanted))
        .map(|(wanted, advice)| format!("{}: {advice}", wanted.join(" ")))
        .collect();
    let adds = contains(&["ADD", "COLUMN"])
        || (contains(&["ALTER", "TABLE"]) && contains(&["ADD"]) && !contains(&["ADD", "CONSTRAINT"]));
    if adds && contains(&["NOT", "NULL"]) && !contains(&["DEFAULT"]) {
        faults.push("a new column that is NOT NULL needs a DEFAULT: older nodes don't write it".to_owned());
    }
    faults
}

/// What older nodes would have to wait for, or be refused by.
fn offline(sql: &str, is_server: bool) -> impl Iterator<Item = String> {
    let statements: Vec<_> = (without_functions(&without_comments(sql)).split(';').map(words))
        .filter(|words| !words.is_empty())
        .collect();
    let is_outside = sql.starts_with(NO_TRANSACTION);
    let made: BTreeSet<_> = (statements.iter())
        .filter(|words| starts(words, &["CREATE", "TABLE"]))
        .filter_map(|words| {
            words
                .iter()
                .skip(2)
                .find(|word| !matches!(word.as_str(), "IF" | "NOT" | "EXISTS"))
        })
        .cloned()
        .collect();
    let of_old_table = |words: &[String], before: &str| {
        let table = words.iter().skip_while(|word| *word != before).nth(1);
        table.is_some_and(|table| !made.contains(table))
    };
    let faults = statements.iter().filter_map(move |words| {
        if is_server && is_outside {
            let fine = starts(words, ONLINE);
            return (!fine).then(|| format!("outside a transaction stands nothing but {}", ONLINE.join(" ")));
        }
        let index = starts(words, &["CREATE", "INDEX"]) || starts(words, &["CREATE", "UNIQUE", "INDEX"]);
        let rule = starts(words, &["ALTER", "TABLE"]) && words.windows(2).any(|two| two == ["ADD", "CONSTRAINT"]);
        let is_narrow = index && words[1] == "UNIQUE" && of_old_table(words, "ON");
        if is_narrow || (rule && of_old_table(words, "TABLE")) {
            return Some(format!("{}: {UNIQUE}", words[..3].join(" ")));
        }
        let is_long =
            index && of_old_table(words, "ON") && !words.iter().any(|word| OF_FEW_ROWS.contains(&word.as_str()));
        if is_server && is_long {
            return Some(format!("CREATE INDEX: {SLOW}"));
        }
        let changes = is_server && starts(words, &["UPDATE"]);
        changes.then(|| "UPDATE: rows are locked until the commit; fill a new column bit by bit, afterwards".to_owned())
    });
    faults.collect::<Vec<_>>().into_iter()
}

fn starts(words: &[String], with: &[&str]) -> bool {
    words.len() >= with.len() && words.iter().zip(with).all(|(word, wanted)| word == wanted)
}

/// Without the bodies of functions, which run later.
fn without_functions(sql: &str) -> String {
    sql.split("$$").step_by(2).collect()
}

fn without_comments(sql: &str) -> String {
    let lines = sql
        .lines()
        .map(|line| line.split_once("--").map_or(line, |(code, _)| code));
    lines.collect::<Vec<_>>().join("\n")
}

fn words(statement: &str) -> Vec<String> {
    let words = statement.split(|sign: char| !(sign.is_alphanumeric() || sign == '_'));
    words.filter(|word| !word.is_empty()).map(str::to_uppercase).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(sql: &str) -> Faults {
        contracting(sql).collect()
    }

    #[test]
    fn what_expands_passes() {
        let sql = "-- drop table in a comment\nCREATE TABLE a (id uuid NOT NULL);
            ALTER TABLE a ADD COLUMN b bigint; ALTER TABLE a ADD COLUMN c bigint NOT NULL DEFAULT 0;
            CREATE INDEX i ON a (b); CREATE TRIGGER t AFTER DELETE ON a BEGIN UPDATE x SET n = n - 1; END;
            FOREIGN KEY (id) REFERENCES a (id) ON DELETE CASCADE;";
        assert_eq!(faults(sql), Faults::new());
    }

    #[test]
    fn what_an_older_node_stumbles_over_is_refused() {
        for sql in [
            "DROP TABLE a",
            "alter table a drop column b",
            "ALTER TABLE a RENAME TO b",
            "ALTER TABLE a RENAME COLUMN b TO c",
            "ALTER TABLE a ALTER COLUMN b TYPE text",
            "ALTER TABLE a ALTER COLUMN b SET NOT NULL",
            "ALTER TABLE a ADD COLUMN b bigint NOT NULL",
            "ALTER TABLE a ADD b bigint NOT NULL",
            "ALTER TABLE a DROP CONSTRAINT c",
            "TRUNCATE a",
            "DELETE FROM a",
        ] {
            assert!(!faults(sql).is_empty(), "{sql}");
        }
    }

    #[test]
    fn what_older_nodes_would_wait_for_or_be_refused_by_is_noticed() {
        for sql in [
            "CREATE INDEX i ON calls (status)",
            "CREATE UNIQUE INDEX i ON calls (status)",
            "CREATE INDEX CONCURRENTLY IF NOT EXISTS i ON calls (status)",
            "ALTER TABLE calls ADD CONSTRAINT c CHECK (n > 0)",
            "UPDATE calls SET n = 0",
            "-- no-transaction\nCREATE INDEX CONCURRENTLY IF NOT EXISTS i ON calls (n); ALTER TABLE calls ADD COLUMN n bigint",
            "-- no-transaction\nCREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS i ON calls (n)",
        ] {
            assert_eq!(offline(sql, true).count(), 1, "{sql}");
        }
        assert_eq!(offline("CREATE UNIQUE INDEX i ON calls (status)", false).count(), 1);
    }

    #[test]
    fn what_nobody_waits_for_passes() {
        for sql in [
            "CREATE TABLE a (n bigint); CREATE INDEX i ON a (n); CREATE UNIQUE INDEX j ON a (n)",
            "CREATE INDEX i ON billing_purchases (reference)",
            "-- no-transaction\n-- Why.\nCREATE INDEX CONCURRENTLY IF NOT EXISTS i ON calls (n);\n",
            "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN UPDATE a SET n = 1; UPDATE b SET n = 2; END $$",
        ] {
            assert_eq!(offline(sql, true).collect::<Vec<_>>(), Vec::<String>::new(), "{sql}");
        }
        let locked_anyway = "CREATE INDEX i ON calls (status); UPDATE calls SET n = 0";
        assert_eq!(
            offline(locked_anyway, false).count(),
            0,
            "SQLite has one writer whatever it writes"
        );
    }

    #[test]
    fn a_number_is_taken_once_and_well_formed() {
        assert_eq!(
            numbering("sqlite", ["0001_a.sql", "0003_b.sql"].into_iter()),
            Faults::new()
        );
        let taken = numbering("sqlite", ["0001_a.sql", "0001_b.sql", "2_c.sql"].into_iter());
        let expected = [
            "sqlite/0001_b.sql has the number of 0001_a.sql",
            "sqlite/2_c.sql is not named NNNN_what.sql",
        ];
        assert_eq!(taken, expected);
    }
}
