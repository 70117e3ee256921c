//! A Redis user with restricted permissions: Redis answers and refuses selected commands or keys.

use uuid::Uuid;

use super::redis_url;

/// The key that the gateway writes to test whether Redis accepts writes.
const PROBE: &str = "~auth-gateway:probe*";

pub struct RedisUser {
    name: String,
    pub url: String,
}

impl RedisUser {
    /// A user with all permissions.
    pub async fn new() -> Self {
        let name = format!("user-{}", Uuid::new_v4());
        let mut url = url::Url::parse(&redis_url()).unwrap();
        url.set_username(&name).unwrap();
        url.set_password(Some("secret")).unwrap();
        let user = Self { name, url: url.into() };
        user.set(&["on", ">secret", "~*", "+@all"]).await;
        user
    }

    /// Forbids this command.
    pub async fn forbid(&self, command: &str) {
        self.set(&[&format!("-{command}")]).await;
    }

    /// Allows these commands only, and on the gateway's keys only.
    pub async fn allow_only(&self, commands: &[&str]) {
        self.set(&["resetkeys", "~auth-gateway:*", "-@all"]).await;
        for command in commands {
            self.set(&[&format!("+{command}")]).await;
        }
    }

    /// Allows only to read keys that begin with `start`.
    pub async fn forbid_writing(&self, start: &str) {
        self.set(&["resetkeys", &format!("%R~{start}*"), PROBE]).await;
    }

    /// Allows to read and write this key only.
    pub async fn allow_writing_only(&self, key: &str) {
        self.set(&["resetkeys", &format!("~{key}"), PROBE]).await;
    }

    /// Allows to read and write all keys.
    pub async fn allow_writing(&self) {
        self.set(&["~*"]).await;
    }

    async fn set(&self, rules: &[&str]) {
        let admin = redis::Client::open(redis_url()).unwrap();
        let mut admin = admin.get_multiplexed_async_connection().await.unwrap();
        let mut command = redis::cmd("ACL");
        command.arg("SETUSER").arg(&self.name).arg(rules);
        let _done: String = command.query_async(&mut admin).await.unwrap();
    }
}
