//! SQL, once for both engines or once for each.

use sqlx::{AssertSqlSafe, SqlSafeStr, SqlStr};

/// A statement as each engine reads it.
#[derive(Clone, Debug)]
pub(crate) struct Statement {
    pub(crate) sqlite: SqlStr,
    pub(crate) postgres: SqlStr,
}

impl From<&'static str> for Statement {
    fn from(sql: &'static str) -> Self {
        each(sql, sql)
    }
}

impl Statement {
    /// Put together at run time from constants of ours; values from outside go into arguments, always.
    pub(crate) fn built(sql: String) -> Self {
        let sql = AssertSqlSafe(sql).into_sql_str();
        Self {
            sqlite: sql.clone(),
            postgres: sql,
        }
    }

    /// As [`Self::built`], for what the engines say differently.
    pub(crate) fn built_each(sqlite: String, postgres: String) -> Self {
        Self {
            sqlite: AssertSqlSafe(sqlite).into_sql_str(),
            postgres: AssertSqlSafe(postgres).into_sql_str(),
        }
    }
}

/// For what the engines say differently.
pub(crate) fn each(sqlite: &'static str, postgres: &'static str) -> Statement {
    Statement {
        sqlite: sqlite.into_sql_str(),
        postgres: postgres.into_sql_str(),
    }
}
