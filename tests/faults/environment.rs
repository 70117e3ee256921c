//! What scenarios need: the servers' programs, the user that runs them, and a temporary directory.

use std::collections::HashSet;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tempfile::TempDir;
use uuid::Uuid;

use crate::record::Record;
use crate::rng::Rng;
use crate::servers::PostgresTemplate;

/// Below the range for outgoing connections, so that a restarted server finds its port free.
const PORTS: std::ops::Range<u16> = 20_000..32_000;

/// An answer that takes longer is a violation, whichever server is down.
const MAX_LATENCY: Duration = Duration::from_secs(5);
/// The limit of the short form, where several scenarios run at once and the machine may be shared.
const SHORT_FORM_MAX_LATENCY: Duration = Duration::from_secs(30);

/// The environment of one scenario. Its own random generator keeps its choices independent of the
/// scenarios that run at the same time.
pub struct Environment {
    pub rng: Rng,
    pub is_short: bool,
    shared: Arc<SharedEnvironment>,
}

/// Shared by all scenarios of a run.
struct SharedEnvironment {
    postgres_programs: PathBuf,
    runner: Vec<String>,
    owner: (u32, u32),
    folder: TempDir,
    folders: AtomicUsize,
    ports_in_use: Mutex<HashSet<u16>>,
    postgres_template: PostgresTemplate,
}

impl Environment {
    /// Reads the settings that `scripts/faults` exports.
    pub fn new(seed: u64, is_short: bool) -> Self {
        let owner = required_variable("FAULTS_SERVER_OWNER");
        let (user, group) = owner.split_once(':').expect("FAULTS_SERVER_OWNER is user:group");
        let owner = (user.parse().unwrap(), group.parse().unwrap());
        // Not under TMPDIR, which the servers' user may be unable to read.
        let folder = TempDir::with_prefix_in("auth-gateway-faults.", "/tmp").unwrap();
        chown(folder.path(), Some(owner.0), Some(owner.1)).unwrap();
        let shared = SharedEnvironment {
            postgres_programs: required_variable("FAULTS_POSTGRES_FOLDER").into(),
            runner: required_variable("FAULTS_SERVER_RUNNER")
                .split_whitespace()
                .map(str::to_owned)
                .collect(),
            owner,
            folder,
            folders: AtomicUsize::default(),
            ports_in_use: Mutex::default(),
            postgres_template: PostgresTemplate::default(),
        };
        Self {
            rng: Rng::from_seed(seed),
            is_short,
            shared: Arc::new(shared),
        }
    }

    /// For work that runs at the same time, with a random generator of its own.
    pub fn fork(&mut self) -> Self {
        Self {
            rng: self.rng.fork(),
            is_short: self.is_short,
            shared: self.shared.clone(),
        }
    }

    pub fn new_record(&self) -> Arc<Record> {
        Arc::new(Record::with_max_latency(if self.is_short {
            SHORT_FORM_MAX_LATENCY
        } else {
            MAX_LATENCY
        }))
    }

    /// The versions of PostgreSQL and Redis.
    pub fn versions(&self) -> String {
        let version = |program: &str| {
            let output = Command::new(program).arg("--version").output().unwrap();
            String::from_utf8_lossy(&output.stdout).into_owned()
        };
        let redis = version("redis-server");
        let redis = redis.split_once("v=").and_then(|(_, rest)| rest.split(' ').next());
        format!(
            "{}Redis {}\n",
            version(&self.postgres_program("postgres")),
            redis.unwrap_or("of unknown version")
        )
    }

    /// Chooses between the number for the full form and the number for the short form.
    pub fn times(&self, full: usize, short: usize) -> usize {
        if self.is_short { short } else { full }
    }

    /// Creates a directory that the servers' user can write to.
    pub fn server_folder(&self, name: &str) -> PathBuf {
        let folder = self.folder(name);
        self.give_to_server_user(&folder);
        folder
    }

    /// Creates a directory for a gateway.
    pub fn folder(&self, name: &str) -> PathBuf {
        let number = self.shared.folders.fetch_add(1, Ordering::Relaxed);
        let folder = self.shared.folder.path().join(format!("{number}-{name}"));
        fs::create_dir(&folder).unwrap();
        folder
    }

    /// Writes a file that only the servers' user can read. Passwords go into such files, because
    /// every user of the machine can read a command line.
    pub fn private_file(&self, path: &Path, content: &str) {
        fs::write(path, content).unwrap();
        fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
        self.give_to_server_user(path);
    }

    /// A command that runs a server's program in `folder` as the servers' user. The kernel sends it
    /// `last_signal` when this process dies.
    pub fn server_command(&self, folder: &Path, last_signal: &str, program: &str) -> Command {
        let (runner, options) = self
            .shared
            .runner
            .split_first()
            .expect("FAULTS_SERVER_RUNNER is a command");
        let mut command = Command::new(runner);
        command
            .args(options)
            .args(["--pdeathsig", last_signal, program])
            .current_dir(folder);
        command
    }

    /// The path of one of PostgreSQL's programs.
    pub fn postgres_program(&self, name: &str) -> String {
        self.shared.postgres_programs.join(name).display().to_string()
    }

    pub fn postgres_template(&self) -> &PostgresTemplate {
        &self.shared.postgres_template
    }

    /// An address that no other server of this run uses, even one that is down at the moment.
    pub fn free_address(&mut self) -> SocketAddr {
        let mut in_use = self.shared.ports_in_use.lock().unwrap();
        loop {
            let offset = self.rng.below(usize::from(PORTS.end - PORTS.start));
            let port = PORTS.start + u16::try_from(offset).unwrap();
            let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
            if in_use.insert(port) && TcpListener::bind(address).is_ok() {
                return address;
            }
        }
    }

    fn give_to_server_user(&self, path: &Path) {
        let (user, group) = self.shared.owner;
        chown(path, Some(user), Some(group)).unwrap();
    }
}

/// A random password. It keeps other users of the machine out of a server.
pub fn new_password() -> String {
    Uuid::new_v4().simple().to_string()
}

#[allow(clippy::disallowed_methods, reason = "scripts/faults passes its settings this way")]
fn required_variable(variable: &str) -> String {
    std::env::var(variable).unwrap_or_else(|_| panic!("{variable} is not set: start the suite with scripts/faults"))
}
