//! Which tables and columns there are, and in which order they can be filled.

use std::collections::{BTreeMap, BTreeSet};

use super::{Outcome, Row, Statement, Tx, Value, args};
use crate::sql::{get, keepable, keepable_json, maybe_json};

/// What the first to open a database writes, before there is anything else: with which key it is sealed.
const OF_THE_OPENER: &str = "sealing_key";
/// Not ours.
const OF_THE_MIGRATOR: &str = "_sqlx_migrations";

/// All tables, each after those it refers to.
pub(super) struct Catalog {
    pub(super) tables: Vec<Table>,
}

pub(super) struct Table {
    pub(super) name: String,
    pub(super) columns: Vec<Column>,
    /// Of the primary key.
    key: Vec<String>,
}

pub(super) struct Column {
    name: String,
    kind: Kind,
}

/// How a column's values are read and written.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Bool,
    Int,
    Float,
    Text,
    Bytes,
    Id,
    Json,
}

impl Kind {
    fn of(postgres_type: &str) -> Option<Self> {
        Some(match postgres_type {
            "boolean" => Self::Bool,
            "bigint" => Self::Int,
            "double precision" => Self::Float,
            "text" => Self::Text,
            "bytea" => Self::Bytes,
            "uuid" => Self::Id,
            "jsonb" => Self::Json,
            _ => return None,
        })
    }
}

impl Table {
    pub(super) fn quoted(&self) -> String {
        quote(&self.name)
    }

    /// Whether it may hold a row although nothing was written yet.
    pub(super) fn is_of_the_opener(&self) -> bool {
        self.name == OF_THE_OPENER
    }

    /// All rows in the order of the primary key, the same in both engines.
    pub(super) fn select(&self) -> Statement {
        let columns = self.column_list();
        // PostgreSQL orders text by its locale unless it is told not to; SQLite orders it by its bytes.
        let by = |collate: &str| {
            let key = self.key.iter().map(|name| {
                let is_text = (self.columns.iter()).any(|column| column.name == *name && column.kind == Kind::Text);
                format!("{}{}", quote(name), if is_text { collate } else { "" })
            });
            key.collect::<Vec<_>>().join(", ")
        };
        let sql = |collate| format!("SELECT {columns} FROM {} ORDER BY {}", self.quoted(), by(collate));
        Statement::built_each(sql(""), sql(" COLLATE \"C\""))
    }

    /// An insert of so many rows.
    pub(super) fn insert(&self, rows: usize) -> Statement {
        let width = self.columns.len();
        let row = |row: usize| {
            let placeholders: Vec<_> = (1..=width).map(|column| format!("${}", row * width + column)).collect();
            format!("({})", placeholders.join(", "))
        };
        let values: Vec<_> = (0..rows).map(row).collect();
        let (table, columns) = (self.quoted(), self.column_list());
        Statement::built(format!("INSERT INTO {table} ({columns}) VALUES {}", values.join(", ")))
    }

    /// The values of a row, in the order of the columns; U+0000, which older releases kept in `SQLite` and PostgreSQL
    /// keeps nowhere, as what stands for it.
    pub(super) fn values(&self, row: &Row) -> Outcome<Vec<Value>> {
        self.columns.iter().map(|column| column.value(row)).collect()
    }

    fn column_list(&self) -> String {
        let quoted: Vec<_> = self.columns.iter().map(|column| quote(&column.name)).collect();
        quoted.join(", ")
    }
}

impl Column {
    fn value(&self, row: &Row) -> Outcome<Value> {
        let name = &self.name;
        Ok(match self.kind {
            Kind::Bool => Value::Bool(get(row, name)?),
            Kind::Int => Value::Int(get(row, name)?),
            Kind::Float => Value::Float(get(row, name)?),
            Kind::Text => Value::Text(get::<Option<String>>(row, name)?.map(keepable)),
            Kind::Bytes => Value::Bytes(get(row, name)?),
            Kind::Id => Value::Id(get(row, name)?),
            Kind::Json => {
                let json = maybe_json::<serde_json::Value>(row, name)?;
                Value::Json(json.map(|json| keepable_json(json.to_string())))
            }
        })
    }
}

fn quote(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// The tables of both; refused when they differ.
pub(super) async fn of_both(sqlite: &mut Tx, postgres: &mut Tx) -> Outcome<Catalog> {
    let ours = names(
        &sqlite
            .fetch_all(
                "SELECT name FROM sqlite_master WHERE type = 'table' AND substr(name, 1, 7) <> 'sqlite_'",
                args![],
            )
            .await?,
    )?;
    let theirs = names(
        &postgres
            .fetch_all(
                "SELECT tablename::text AS name FROM pg_tables WHERE schemaname = current_schema()",
                args![],
            )
            .await?,
    )?;
    if let Some(odd) = ours.symmetric_difference(&theirs).next() {
        let side = if ours.contains(odd) { "source" } else { "target" };
        return Err(format!("the table {odd} is known to the {side} only").into());
    }
    let mut tables = BTreeMap::new();
    for name in ours {
        let table = table(sqlite, postgres, &name).await?;
        tables.insert(name, table);
    }
    let references = references(postgres).await?;
    in_order(tables, &references)
}

fn names(rows: &[Row]) -> Outcome<BTreeSet<String>> {
    let mut names = rows
        .iter()
        .map(|row| get(row, "name"))
        .collect::<Outcome<BTreeSet<String>>>()?;
    names.remove(OF_THE_MIGRATOR);
    Ok(names)
}

async fn table(sqlite: &mut Tx, postgres: &mut Tx, name: &str) -> Outcome<Table> {
    let sql = "SELECT column_name::text AS name, data_type::text AS kind FROM information_schema.columns
               WHERE table_schema = current_schema() AND table_name = $1 ORDER BY ordinal_position";
    let mut columns = Vec::new();
    for row in postgres.fetch_all(sql, args![name]).await? {
        let (column, kind): (String, String) = (get(&row, "name")?, get(&row, "kind")?);
        let Some(kind) = Kind::of(&kind) else {
            return Err(format!("the column {name}.{column} is of a type that can't be copied: {kind}").into());
        };
        columns.push(Column { name: column, kind });
    }
    let ours = names(
        &sqlite
            .fetch_all("SELECT name FROM pragma_table_info($1)", args![name])
            .await?,
    )?;
    let theirs = columns.iter().map(|column| column.name.clone()).collect();
    if let Some(odd) = ours.symmetric_difference(&theirs).next() {
        return Err(format!("the column {name}.{odd} is known to one side only").into());
    }
    let sql = "SELECT attribute.attname::text AS name FROM pg_index AS index
               JOIN pg_attribute AS attribute
                 ON attribute.attrelid = index.indrelid AND attribute.attnum = ANY (index.indkey::int2[])
               WHERE index.indrelid = to_regclass($1) AND index.indisprimary
               ORDER BY array_position(index.indkey::int2[], attribute.attnum)";
    let rows = postgres.fetch_all(sql, args![quote(name)]).await?;
    let key = rows
        .iter()
        .map(|row| get(row, "name"))
        .collect::<Outcome<Vec<String>>>()?;
    if key.is_empty() {
        return Err(format!("the table {name} has no primary key").into());
    }
    Ok(Table {
        name: name.to_owned(),
        columns,
        key,
    })
}

/// Pairs of a table and one it refers to.
async fn references(postgres: &mut Tx) -> Outcome<Vec<(String, String)>> {
    let sql = "SELECT one.relname::text AS one, other.relname::text AS other FROM pg_constraint
               JOIN pg_class AS one ON one.oid = conrelid JOIN pg_class AS other ON other.oid = confrelid
               WHERE contype = 'f' AND connamespace = current_schema()::regnamespace AND conrelid <> confrelid";
    let rows = postgres.fetch_all(sql, args![]).await?;
    rows.iter()
        .map(|row| Ok((get(row, "one")?, get(row, "other")?)))
        .collect()
}

/// Each table after those it refers to.
fn in_order(mut left: BTreeMap<String, Table>, references: &[(String, String)]) -> Outcome<Catalog> {
    let mut tables = Vec::new();
    while !left.is_empty() {
        let waits = |name: &String| (references.iter()).any(|(one, other)| one == name && left.contains_key(other));
        let next = left.keys().find(|name| !waits(name)).cloned();
        let table = next.and_then(|name| left.remove(&name));
        tables.push(table.ok_or("the tables refer to each other in a circle")?);
    }
    Ok(Catalog { tables })
}
