//! SQLite repositories and migrations
