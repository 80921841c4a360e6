//! Words in an answer that tell of the inside.

/// What must not stand in an answer, and of what it tells. In lower case.
const WORDS: &[(&str, &str)] = &[
    ("panicked at", "a stack trace"),
    ("stack backtrace", "a stack trace"),
    ("traceback (most recent call", "a stack trace"),
    ("rust_backtrace", "a stack trace"),
    ("java.lang.", "a stack trace"),
    (".rs:", "a place in the source"),
    (".py\", line", "a place in the source"),
    ("/src/", "a path"),
    ("/home/", "a path"),
    ("/var/lib/", "a path"),
    ("/usr/", "a path"),
    ("c:\\\\", "a path"),
    ("sqlx", "the database"),
    ("sqlite", "the database"),
    ("postgres", "the database"),
    ("redis", "the database"),
    ("unique constraint", "the database"),
    ("foreign key", "the database"),
    ("no such table", "the database"),
    ("no such column", "the database"),
    ("syntax error at or near", "the database"),
    ("database is locked", "the database"),
    ("insert into ", "the database"),
    ("select * from", "the database"),
    (" where id = ", "the database"),
    ("expected struct", "types of the program"),
    ("expected internally tagged", "types of the program"),
    ("expected enum", "types of the program"),
    ("expected u32", "types of the program"),
    ("expected u64", "types of the program"),
    ("expected f32", "types of the program"),
    ("option<", "types of the program"),
    ("alloc::", "types of the program"),
    ("core::", "types of the program"),
    ("serde::", "types of the program"),
    ("hyper::", "types of the program"),
    ("axum", "types of the program"),
    ("os error", "the operating system"),
    ("connection refused", "the operating system"),
    ("errno", "the operating system"),
];

/// The first word that should not be there, and of what it tells.
pub(crate) fn find(body: &[u8]) -> Option<(&'static str, &'static str)> {
    let text = String::from_utf8_lossy(body).to_lowercase();
    WORDS.iter().find(|(word, _)| text.contains(word)).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_inside_is_found_and_the_outside_is_not() {
        let inside = br#"{"message":"error returned from database: UNIQUE constraint failed: agents.name"}"#;
        assert_eq!(find(inside), Some(("unique constraint", "the database")));
        assert_eq!(
            find(b"thread 'main' panicked at src/main.rs:3"),
            Some(("panicked at", "a stack trace"))
        );
        for reason in contract::Reason::ALL {
            let body = contract::golden::of(*reason).response.body;
            assert_eq!(find(body.as_bytes()), None, "{body}");
        }
    }
}
