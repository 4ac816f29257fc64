//! The two sets of migrations make the same tables.

use std::collections::{BTreeMap, BTreeSet};

use nabz::db::Db;
use nabz::db::open::Settings;
use sqlx::{Connection as _, Row as _};

use crate::common::{On, fresh_database};

/// A column: the family of its type and whether it may be empty.
type Column = (&'static str, bool);

/// A table or column by name, and lists of columns in order.
#[derive(Debug, Default, PartialEq, Eq)]
struct Schema {
    columns: BTreeMap<(String, String), Column>,
    /// Table, columns, whether it keeps rows apart.
    indexes: BTreeSet<(String, Vec<String>, bool)>,
    /// Table, column, the table it refers to.
    references: BTreeSet<(String, String, String)>,
}

impl Schema {
    fn column(&mut self, (table, name): (String, String), kind: &str, is_nullable: bool) {
        self.columns.insert((table, name), (family(kind), is_nullable));
    }

    fn index(&mut self, table: String, columns: &str, is_unique: bool) {
        self.indexes.insert((table, columns.split(',').map(ToOwned::to_owned).collect(), is_unique));
    }
}

fn family(kind: &str) -> &'static str {
    match kind.to_ascii_lowercase().as_str() {
        "blob" | "uuid" | "bytea" => "bytes",
        "integer" | "bigint" | "smallint" | "boolean" => "number",
        "text" => "text",
        other => panic!("the type {other} is in no family"),
    }
}

async fn migrated(on: On) -> Schema {
    let folder = tempfile::tempdir().unwrap();
    let url = fresh_database(on, folder.path()).await;
    let settings = Settings { url: url.clone(), max_connections: 3 };
    Db::open(&settings, uuid::Uuid::nil()).await.unwrap().close().await;
    match on {
        On::Sqlite => sqlite(sqlx::SqliteConnection::connect(&url).await.unwrap()).await,
        On::Postgres => postgres(sqlx::PgConnection::connect(&url).await.unwrap()).await,
    }
}

async fn sqlite(mut connection: sqlx::SqliteConnection) -> Schema {
    let mut schema = Schema::default();
    let columns = "SELECT t.name, c.name, c.type, c.\"notnull\" FROM sqlite_schema t, pragma_table_info(t.name) c
        WHERE t.type = 'table' AND t.name NOT LIKE '\\_sqlx%' ESCAPE '\\' AND t.name NOT LIKE 'sqlite%'";
    for row in sqlx::query(columns).fetch_all(&mut connection).await.unwrap() {
        schema.column((row.get(0), row.get(1)), row.get(2), row.get::<i64, _>(3) == 0);
    }
    let indexes =
        "SELECT t.name, i.\"unique\", (SELECT GROUP_CONCAT(name, ',') FROM (SELECT name FROM pragma_index_info(i.name) ORDER BY seqno))
        FROM sqlite_schema t, pragma_index_list(t.name) i WHERE t.type = 'table' AND t.name NOT LIKE '\\_sqlx%' ESCAPE '\\'";
    for row in sqlx::query(indexes).fetch_all(&mut connection).await.unwrap() {
        schema.index(row.get(0), row.get(2), row.get::<i64, _>(1) == 1);
    }
    let references =
        "SELECT t.name, f.\"from\", f.\"table\" FROM sqlite_schema t, pragma_foreign_key_list(t.name) f WHERE t.type = 'table'";
    for row in sqlx::query(references).fetch_all(&mut connection).await.unwrap() {
        schema.references.insert((row.get(0), row.get(1), row.get(2)));
    }
    schema
}

async fn postgres(mut connection: sqlx::PgConnection) -> Schema {
    let mut schema = Schema::default();
    let columns = "SELECT table_name::text, column_name::text, data_type::text, is_nullable = 'YES' FROM information_schema.columns
        JOIN information_schema.tables USING (table_schema, table_name)
        WHERE table_schema = 'public' AND table_type = 'BASE TABLE' AND table_name NOT LIKE '\\_sqlx%'";
    for row in sqlx::query(columns).fetch_all(&mut connection).await.unwrap() {
        schema.column((row.get(0), row.get(1)), row.get(2), row.get(3));
    }
    let indexes = "SELECT c.relname::text, i.indisunique,
            (SELECT string_agg(a.attname, ',' ORDER BY k.place) FROM unnest(i.indkey) WITH ORDINALITY AS k (attnum, place)
             JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = k.attnum)
        FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE n.nspname = 'public' AND c.relname NOT LIKE '\\_sqlx%'";
    for row in sqlx::query(indexes).fetch_all(&mut connection).await.unwrap() {
        schema.index(row.get(0), row.get(2), row.get(1));
    }
    let references = "SELECT c.conrelid::regclass::text, a.attname::text, c.confrelid::regclass::text FROM pg_constraint c
        JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = ANY (c.conkey) WHERE c.contype = 'f'";
    for row in sqlx::query(references).fetch_all(&mut connection).await.unwrap() {
        schema.references.insert((row.get(0), row.get(1), row.get(2)));
    }
    schema
}

fn migrations(engine: &str) -> BTreeSet<String> {
    let entries = std::fs::read_dir(format!("migrations/{engine}")).unwrap();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

#[test]
fn every_migration_exists_for_both_engines() {
    assert_eq!(migrations("sqlite"), migrations("postgres"));
    assert!(!migrations("sqlite").is_empty());
}

#[tokio::test]
async fn both_engines_have_the_same_tables_columns_keys_and_references() {
    let (sqlite, postgres) = (migrated(On::Sqlite).await, migrated(On::Postgres).await);
    assert_eq!(sqlite.columns, postgres.columns);
    assert_eq!(sqlite.indexes, postgres.indexes);
    assert_eq!(sqlite.references, postgres.references);
    // What is read at all is what the migrations say.
    let key = |table: &str, column: &str| (table.to_owned(), column.to_owned());
    assert_eq!(sqlite.columns[&key("survey", "archived_at")], ("number", true));
    assert_eq!(sqlite.columns[&key("source", "secret")], ("bytes", false));
    let closing = ["closure_key", "survey_id"].map(ToOwned::to_owned).to_vec();
    assert!(sqlite.indexes.contains(&("interaction".to_owned(), closing, true)));
    assert!(sqlite.references.contains(&("invitation".to_owned(), "interaction_id".to_owned(), "interaction".to_owned())));
}
