//! Where a server keeps its data: a folder, and on PostgreSQL a database of its own; empty, or a copy of one that is prepared.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use tempfile::TempDir;
use url::Url;

/// A database engine to measure.
pub enum Engine {
    /// SQLite.
    Sqlite,
    /// PostgreSQL, at the address of a role that may create databases.
    Postgres(Url),
}

/// What a server starts with.
pub struct Place {
    /// Its data folder.
    pub folder: PathBuf,
    /// What `database.url` says.
    pub url: String,
    name: String,
}

/// All places of one engine; they are removed at the end.
pub struct Ground {
    /// The engine.
    pub engine: Engine,
    root: TempDir,
    made: Vec<String>,
    count: usize,
}

impl Engine {
    /// Its name in the table.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Sqlite => "SQLite",
            Self::Postgres(_) => "PostgreSQL",
        }
    }

    /// What the engine says of its version and of its promise to keep what it committed.
    pub async fn describe(&self) -> Result<String> {
        let Self::Postgres(admin) = self else {
            return Ok("SQLite, WAL, synchronous=FULL".to_owned());
        };
        let mut connection = PgConnection::connect(admin.as_str()).await?;
        let mut ask = async |name: &str| -> Result<String> {
            let value = sqlx::query_scalar("SELECT current_setting($1)").bind(name);
            Ok(value.fetch_one(&mut connection).await?)
        };
        Ok(format!(
            "PostgreSQL {}, fsync={}, synchronous_commit={}",
            ask("server_version").await?,
            ask("fsync").await?,
            ask("synchronous_commit").await?
        ))
    }
}

impl Ground {
    /// Nothing yet.
    pub fn new(engine: Engine) -> Result<Self> {
        Ok(Self { engine, root: TempDir::with_prefix("nabz-load.")?, made: Vec::new(), count: 0 })
    }

    /// A folder for what is not a server's.
    pub fn folder(&self, name: &str) -> Result<PathBuf> {
        let folder = self.root.path().join(name);
        std::fs::create_dir_all(&folder)?;
        Ok(folder)
    }

    /// An empty place.
    pub async fn empty(&mut self) -> Result<Place> {
        let place = self.place()?;
        if let Engine::Postgres(admin) = &self.engine {
            run(admin, &[format!("CREATE DATABASE {}", place.name)]).await?;
        }
        Ok(place)
    }

    /// A copy of a place whose server has stopped, written to the disk so that no later measurement pays for it.
    pub async fn copy(&mut self, from: &Place) -> Result<Place> {
        let place = self.place()?;
        for entry in std::fs::read_dir(&from.folder)? {
            let entry = entry?;
            if entry.file_type()?.is_file() {
                let to = place.folder.join(entry.file_name());
                std::fs::copy(entry.path(), &to)?;
                std::fs::File::open(&to)?.sync_all()?;
            }
        }
        if let Engine::Postgres(admin) = &self.engine {
            let create = format!("CREATE DATABASE {} TEMPLATE {} STRATEGY file_copy", place.name, from.name);
            run(admin, &[create, "CHECKPOINT".to_owned()]).await?;
        }
        Ok(place)
    }

    /// Gives up a place whose server has stopped.
    pub async fn remove(&mut self, place: Place) -> Result<()> {
        std::fs::remove_dir_all(&place.folder)?;
        self.made.retain(|name| *name != place.name);
        self.drop_databases(&[place.name]).await
    }

    /// Removes everything; folders go by themselves.
    pub async fn clear(mut self) -> Result<()> {
        let made = std::mem::take(&mut self.made);
        self.drop_databases(&made).await
    }

    async fn drop_databases(&self, names: &[String]) -> Result<()> {
        let Engine::Postgres(admin) = &self.engine else { return Ok(()) };
        let statements: Vec<_> = names.iter().map(|name| format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)")).collect();
        run(admin, &statements).await
    }

    fn place(&mut self) -> Result<Place> {
        self.count += 1;
        let name = format!("nabz_load_{}_{}", std::process::id(), self.count);
        let folder = self.folder(&name)?;
        let url = match &self.engine {
            Engine::Sqlite => sqlite_url(&folder),
            Engine::Postgres(admin) => {
                let mut url = admin.clone();
                url.set_path(&name);
                url.into()
            }
        };
        self.made.push(name.clone());
        Ok(Place { folder, url, name })
    }
}

fn sqlite_url(folder: &Path) -> String {
    format!("sqlite:{}", folder.join("nabz.db").display())
}

async fn run(admin: &Url, statements: &[String]) -> Result<()> {
    let mut connection = PgConnection::connect(admin.as_str()).await.context("PostgreSQL does not answer")?;
    for statement in statements {
        // Names are made here, of letters, digits and underscores.
        sqlx::raw_sql(AssertSqlSafe(statement.as_str())).execute(&mut connection).await?;
    }
    connection.close().await?;
    Ok(())
}
