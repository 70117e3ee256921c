//! What a run works with: the stores, filled and migrated, and how long everything may take.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Connection, Executor};

use crate::dataset::{self, Size, cheap_names};
use crate::gateway::{Gateway, Hashing, Site, fresh_secret};
use crate::load::Timing;
use crate::people::{Person, sign_in};
use crate::process::Meter;
use crate::report::Report;
use crate::rounds::Turns;
use crate::{Result, say};

/// Accounts and sessions of the small data set.
const SMALL: Size = Size {
    accounts: 1000,
    sessions: 2000,
};

/// Where state is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    Sqlite,
    PostgresRedis,
}

/// How much of it there is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scale {
    Small,
    Large,
}

/// How long, and how often.
#[derive(Debug, Clone, Copy)]
pub struct Pacing {
    /// For what is asked thousands of times a second: short, as the machine's own speed changes within a minute, and often.
    pub cheap: Turns,
    /// For what is rare, such as logins, or rarely late.
    pub costly: Turns,
    pub starts: usize,
    /// People who take part at most: so many sign in within seconds.
    pub people: u64,
}

/// Servers that scripts/bench has started.
#[derive(Debug, Clone)]
pub struct Servers {
    pub postgres_url: String,
    pub postgres_log: PathBuf,
    pub postgres: Meter,
    pub redis_url: String,
    pub redis: Meter,
}

pub struct Stage {
    pub pacing: Pacing,
    pub connections: usize,
    pub places: Vec<Place>,
    /// Unless only SQLite is asked for.
    pub servers: Option<Servers>,
    pub folder: PathBuf,
    pub gateway: PathBuf,
    /// Another build of it.
    pub rival: Option<PathBuf>,
    /// This program, for the baselines.
    pub own: PathBuf,
    pub large: Size,
    pub report: Report,
    pub sites: BTreeMap<(Place, Scale), Site>,
}

impl Place {
    pub fn name(self) -> &'static str {
        match self {
            Self::Sqlite => "SQLite",
            Self::PostgresRedis => "PostgreSQL + Redis",
        }
    }
}

impl Pacing {
    pub fn standard() -> Self {
        Self {
            cheap: turns(20, timing(200, 800)),
            costly: turns(5, timing(500, 5000)),
            starts: 11,
            people: 10_000,
        }
    }

    pub fn quick() -> Self {
        Self {
            cheap: turns(4, timing(100, 400)),
            costly: turns(2, timing(200, 1300)),
            starts: 5,
            people: 500,
        }
    }
}

fn turns(rounds: usize, timing: Timing) -> Turns {
    Turns { rounds, timing }
}

fn timing(warm_up: u64, counted: u64) -> Timing {
    Timing {
        warm_up: Duration::from_millis(warm_up),
        counted: Duration::from_millis(counted),
    }
}

impl Stage {
    pub fn size(&self, scale: Scale) -> Size {
        match scale {
            Scale::Small => SMALL,
            Scale::Large => self.large,
        }
    }

    pub fn servers(&self) -> Result<&Servers> {
        self.servers.as_ref().ok_or_else(|| "there is no PostgreSQL".into())
    }

    /// Migrated and filled, at the first time that it is asked for.
    pub fn site(&mut self, place: Place, scale: Scale) -> Result<Site> {
        if let Some(site) = self.sites.get(&(place, scale)) {
            return Ok(site.clone());
        }
        let site = self.lay_out(place, scale)?;
        self.sites.insert((place, scale), site.clone());
        Ok(site)
    }

    fn lay_out(&self, place: Place, scale: Scale) -> Result<Site> {
        let size = self.size(scale);
        say(&format!(
            "{}: {} accounts, {} sessions",
            place.name(),
            size.accounts,
            size.sessions
        ));
        let name = format!("bench_{place:?}_{scale:?}").to_lowercase();
        let folder = self.folder.join(&name);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (database_url, redis_url) = match place {
            Place::Sqlite => (format!("sqlite://{}", folder.join("auth.db").display()), None),
            Place::PostgresRedis => {
                let servers = self.servers()?;
                runtime.block_on(create_database(&servers.postgres_url, &name))?;
                let (server, _) = servers.postgres_url.rsplit_once('/').ok_or("no URL of a database")?;
                (format!("{server}/{name}"), Some(servers.redis_url.clone()))
            }
        };
        let laid_out = Site {
            name: place.name(),
            program: self.gateway.clone(),
            folder,
            database_url,
            redis_url,
            auth_secret: fresh_secret()?,
        };
        laid_out.migrate()?;
        runtime.block_on(dataset::fill(&laid_out.database_url, size))?;
        Ok(laid_out)
    }

    /// People who have just signed in, at a gateway of their own that hashes cheaply.
    pub fn people(&self, site: &Site, scale: Scale) -> Result<Vec<Person>> {
        let gateway = site.start(Hashing::Cheap)?;
        sign_in(gateway.address, cheap_names(self.active(scale)))
    }

    /// How many people take part: half of all, of whom each has a neighbour with a costly hash.
    pub fn active(&self, scale: Scale) -> u64 {
        (self.size(scale).accounts / 2).min(self.pacing.people)
    }
}

/// Processes and addresses of one gateway, as a contestant is made of.
pub fn alone(gateway: &Gateway) -> ([std::net::SocketAddr; 1], [Meter; 1]) {
    ([gateway.address], [gateway.meter()])
}

async fn create_database(url: &str, name: &str) -> Result<()> {
    let mut connection = PgConnection::connect(url).await?;
    let statement = format!("CREATE DATABASE {name}");
    connection.execute(AssertSqlSafe(statement)).await?;
    Ok(())
}
