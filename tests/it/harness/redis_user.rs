//! A Redis user that may do less than everything: Redis then answers, and refuses what a test wants it to refuse.

use uuid::Uuid;

use super::redis_url;

pub struct RedisUser {
    name: String,
    pub url: String,
}

impl RedisUser {
    /// A user who may do everything but run these commands.
    pub async fn without(commands: &[&str]) -> Self {
        let name = format!("user-{}", Uuid::new_v4());
        let mut url = url::Url::parse(&redis_url()).unwrap();
        url.set_username(&name).unwrap();
        url.set_password(Some("secret")).unwrap();
        let user = Self { name, url: url.into() };
        user.set(&["on", ">secret", "~*", "+@all"]).await;
        for command in commands {
            user.set(&[&format!("-{command}")]).await;
        }
        user
    }

    /// Lets the user run this command from now on.
    pub async fn allow(&self, command: &str) {
        self.set(&[&format!("+{command}")]).await;
    }

    async fn set(&self, rules: &[&str]) {
        let admin = redis::Client::open(redis_url()).unwrap();
        let mut admin = admin.get_multiplexed_async_connection().await.unwrap();
        let mut command = redis::cmd("ACL");
        command.arg("SETUSER").arg(&self.name).arg(rules);
        let _done: String = command.query_async(&mut admin).await.unwrap();
    }
}
