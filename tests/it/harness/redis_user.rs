//! A Redis user that may do less than everything: Redis then answers, and refuses what a test wants it to refuse.

use uuid::Uuid;

use super::redis_url;

/// What the gateway writes to see whether it can.
const PROBE: &str = "~auth-gateway:probe*";

pub struct RedisUser {
    name: String,
    pub url: String,
}

impl RedisUser {
    /// A user who may do everything.
    pub async fn new() -> Self {
        let name = format!("user-{}", Uuid::new_v4());
        let mut url = url::Url::parse(&redis_url()).unwrap();
        url.set_username(&name).unwrap();
        url.set_password(Some("secret")).unwrap();
        let user = Self { name, url: url.into() };
        user.set(&["on", ">secret", "~*", "+@all"]).await;
        user
    }

    /// From now on the user may not run this command.
    pub async fn forbid(&self, command: &str) {
        self.set(&[&format!("-{command}")]).await;
    }

    /// From now on the user may run these commands alone, and on the gateway's keys alone.
    pub async fn allow_only(&self, commands: &[&str]) {
        self.set(&["resetkeys", "~auth-gateway:*", "-@all"]).await;
        for command in commands {
            self.set(&[&format!("+{command}")]).await;
        }
    }

    /// From now on the user may only read what begins with this.
    pub async fn forbid_writing(&self, start: &str) {
        self.set(&["resetkeys", &format!("%R~{start}*"), PROBE]).await;
    }

    /// From now on this is the only key that the user may read and write.
    pub async fn allow_writing_only(&self, key: &str) {
        self.set(&["resetkeys", &format!("~{key}"), PROBE]).await;
    }

    /// The user may read and write everything again.
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
