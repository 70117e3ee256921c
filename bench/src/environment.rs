//! The environment of a run: databases with schema and data, servers, and measuring times.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Connection, Executor};

use crate::dataset::{self, Size, cheap_hash_usernames};
use crate::gateway::{Deployment, Gateway, Hashing, fresh_secret};
use crate::load::Timing;
use crate::process::Meter;
use crate::report::Report;
use crate::series::RoundOptions;
use crate::users::{User, sign_in};
use crate::{Result, log};

const SMALL: Size = Size {
    accounts: 1000,
    sessions: 2000,
};

/// The gateway's stores.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Backend {
    Sqlite,
    PostgresRedis,
}

/// The size of the data set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scale {
    Small,
    Large,
}

/// How long and how often each kind of operation is measured.
#[derive(Debug, Clone, Copy)]
pub struct Schedule {
    /// For operations that run thousands of times a second. The rounds are short and many, because
    /// the speed of the machine changes within a minute.
    pub fast: RoundOptions,
    /// For slow operations, such as logins, and for rare events, such as late responses.
    pub slow: RoundOptions,
    pub starts: usize,
    /// The most users that take part. Signing in more would take too long.
    pub max_users: u64,
}

/// The servers that `scripts/bench` has started.
#[derive(Debug, Clone)]
pub struct Servers {
    pub postgres_url: String,
    pub postgres_log: PathBuf,
    pub postgres: Meter,
    pub redis_url: String,
    pub redis: Meter,
}

pub struct Environment {
    pub schedule: Schedule,
    pub connections: usize,
    pub backends: Vec<Backend>,
    /// `None` for a run on SQLite alone.
    pub servers: Option<Servers>,
    pub folder: PathBuf,
    pub gateway: PathBuf,
    /// Another build of the gateway, to compare with.
    pub rival: Option<PathBuf>,
    /// This program, which also runs the baselines.
    pub this_program: PathBuf,
    pub large: Size,
    pub report: Report,
    pub deployments: BTreeMap<(Backend, Scale), Deployment>,
}

impl Backend {
    pub fn name(self) -> &'static str {
        match self {
            Self::Sqlite => "SQLite",
            Self::PostgresRedis => "PostgreSQL + Redis",
        }
    }
}

impl Schedule {
    pub fn standard() -> Self {
        Self {
            fast: round_options(20, timing(200, 800)),
            slow: round_options(5, timing(500, 5000)),
            starts: 11,
            max_users: 10_000,
        }
    }

    pub fn quick() -> Self {
        Self {
            fast: round_options(4, timing(100, 400)),
            slow: round_options(2, timing(200, 1300)),
            starts: 5,
            max_users: 500,
        }
    }
}

fn round_options(rounds: usize, timing: Timing) -> RoundOptions {
    RoundOptions { rounds, timing }
}

fn timing(warm_up: u64, counted: u64) -> Timing {
    Timing {
        warm_up: Duration::from_millis(warm_up),
        counted: Duration::from_millis(counted),
    }
}

impl Environment {
    pub fn size(&self, scale: Scale) -> Size {
        match scale {
            Scale::Small => SMALL,
            Scale::Large => self.large,
        }
    }

    pub fn servers(&self) -> Result<&Servers> {
        self.servers.as_ref().ok_or_else(|| "there is no PostgreSQL".into())
    }

    /// Returns the deployment. The first call creates the schema and the data.
    pub fn deployment(&mut self, backend: Backend, scale: Scale) -> Result<Deployment> {
        if let Some(deployment) = self.deployments.get(&(backend, scale)) {
            return Ok(deployment.clone());
        }
        let deployment = self.prepare_deployment(backend, scale)?;
        self.deployments.insert((backend, scale), deployment.clone());
        Ok(deployment)
    }

    fn prepare_deployment(&self, backend: Backend, scale: Scale) -> Result<Deployment> {
        let size = self.size(scale);
        log(&format!(
            "{}: {} accounts, {} sessions",
            backend.name(),
            size.accounts,
            size.sessions
        ));
        let name = format!("bench_{backend:?}_{scale:?}").to_lowercase();
        let folder = self.folder.join(&name);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (database_url, redis_url) = match backend {
            Backend::Sqlite => (format!("sqlite://{}", folder.join("auth.db").display()), None),
            Backend::PostgresRedis => {
                let servers = self.servers()?;
                runtime.block_on(create_database(&servers.postgres_url, &name))?;
                let (server, _) = servers.postgres_url.rsplit_once('/').ok_or("no URL of a database")?;
                (format!("{server}/{name}"), Some(servers.redis_url.clone()))
            }
        };
        let deployment = Deployment {
            name: backend.name(),
            program: self.gateway.clone(),
            folder,
            database_url,
            redis_url,
            auth_secret: fresh_secret()?,
        };
        deployment.migrate()?;
        runtime.block_on(dataset::fill(&deployment.database_url, size))?;
        Ok(deployment)
    }

    /// Signs users in through a separate gateway that hashes at low cost.
    pub fn users(&self, deployment: &Deployment, scale: Scale) -> Result<Vec<User>> {
        let gateway = deployment.start(Hashing::Cheap)?;
        sign_in(gateway.address, cheap_hash_usernames(self.active(scale)))
    }

    /// How many users take part: at most half of the accounts, because every second account has a
    /// hash of the default cost.
    pub fn active(&self, scale: Scale) -> u64 {
        (self.size(scale).accounts / 2).min(self.schedule.max_users)
    }
}

/// The address and the meter of one gateway, as a `Target` needs them.
pub fn servers_and_meters(gateway: &Gateway) -> ([std::net::SocketAddr; 1], [Meter; 1]) {
    ([gateway.address], [gateway.meter()])
}

async fn create_database(url: &str, name: &str) -> Result<()> {
    let mut connection = PgConnection::connect(url).await?;
    let statement = format!("CREATE DATABASE {name}");
    connection.execute(AssertSqlSafe(statement)).await?;
    Ok(())
}
