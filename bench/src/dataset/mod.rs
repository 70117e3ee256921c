//! Generates accounts and sessions and writes them to either database. Every run generates the same
//! rows.

mod postgres;
mod sqlite;

use std::time::{SystemTime, UNIX_EPOCH};

use argon2::{Algorithm, Argon2, Params, PasswordHasher, Version};
use uuid::{Builder, Uuid};

use crate::Result;

/// The password of every generated account.
pub const PASSWORD: &str = "Password@123";
/// The lowest cost of a hash: memory in KiB, passes, lanes. For runs that do not measure hashing.
pub const CHEAP_COST: (u32, u32, u32) = (128, 1, 1);
/// The gateway's default cost: memory in KiB, passes, lanes.
pub const DEFAULT_COST: (u32, u32, u32) = (19456, 2, 1);

const DAY: i64 = 86_400_000;
/// One session in this many has ended.
const ENDED: u64 = 8;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size {
    pub accounts: u64,
    pub sessions: u64,
}

/// What all generated rows depend on.
pub struct Dataset {
    size: Size,
    cheap_hash: String,
    default_hash: String,
    /// In milliseconds since 1970.
    now: i64,
}

/// A row of `accounts`. E-mail and username are lower case, so they are their own unique keys.
pub struct AccountRow<'a> {
    pub id: Uuid,
    pub email: String,
    pub username: String,
    pub password_hash: &'a str,
    pub created_at: i64,
}

/// A row of `sessions`.
pub struct SessionRow {
    pub id: Uuid,
    pub account_id: Uuid,
    pub generation: u32,
    pub created_at: i64,
    pub rotated_at: i64,
    pub expires_at: i64,
    pub ended_at: Option<i64>,
    pub ip: String,
}

/// The user agent of every generated session.
pub const USER_AGENT: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0";

/// Fills an empty database that has the current schema.
pub async fn fill(database_url: &str, size: Size) -> Result<()> {
    let dataset = Dataset::new(size)?;
    if let Some(file) = database_url.strip_prefix("sqlite://") {
        sqlite::fill(file, &dataset).await
    } else {
        postgres::fill(database_url, &dataset).await
    }
}

/// Usernames of accounts with a cheap hash: those with odd numbers.
pub fn cheap_hash_usernames(count: u64) -> impl Iterator<Item = String> {
    (0..count).map(|number| username(number * 2 + 1))
}

/// Usernames of accounts with a hash of the default cost: those with even numbers.
pub fn default_hash_usernames(count: u64) -> impl Iterator<Item = String> {
    (0..count).map(|number| username(number * 2))
}

impl Dataset {
    fn new(size: Size) -> Result<Self> {
        #[allow(
            clippy::disallowed_methods,
            reason = "rows as old as they log, to a gateway with the machine's clock"
        )]
        let now = SystemTime::now().duration_since(UNIX_EPOCH)?;
        Ok(Self {
            size,
            cheap_hash: hash(CHEAP_COST)?,
            default_hash: hash(DEFAULT_COST)?,
            now: i64::try_from(now.as_millis())?,
        })
    }

    fn accounts(&self) -> impl Iterator<Item = AccountRow<'_>> {
        (0..self.size.accounts).map(|number| AccountRow {
            id: account_id(number),
            email: format!("{}@example.com", username(number)),
            username: username(number),
            password_hash: if number % 2 == 1 {
                &self.cheap_hash
            } else {
                &self.default_hash
            },
            created_at: self.now - 90 * DAY,
        })
    }

    fn sessions(&self) -> impl Iterator<Item = SessionRow> {
        (0..self.size.sessions).map(|number| self.session(number))
    }

    fn session(&self, number: u64) -> SessionRow {
        let random = split_mix64(number);
        // Opened within the last four weeks and refreshed since, so the session is still valid.
        let created_at = self.now - scaled(random, 28 * DAY);
        let rotated_at = created_at + scaled(split_mix64(random), self.now - created_at);
        SessionRow {
            id: Builder::from_unix_timestamp_millis(
                u64::try_from(created_at).unwrap_or_default(),
                &bytes(random)[..10].try_into().unwrap_or_default(),
            )
            .into_uuid(),
            account_id: account_id(number % self.size.accounts),
            generation: 1 + u32::try_from(random % 100).unwrap_or_default(),
            created_at,
            rotated_at,
            expires_at: created_at + 90 * DAY,
            ended_at: number
                .is_multiple_of(ENDED)
                .then_some(rotated_at.max(self.now - 6 * DAY)),
            ip: format!("10.{}.{}.{}", random >> 56, random >> 48 & 255, random >> 40 & 255),
        }
    }
}

fn username(number: u64) -> String {
    format!("user{number}")
}

/// A version 4 UUID (RFC 9562), as the gateway generates them, but the same in every run.
fn account_id(number: u64) -> Uuid {
    Builder::from_random_bytes(bytes(split_mix64(!number))).into_uuid()
}

fn bytes(seed: u64) -> [u8; 16] {
    let (first, second) = (split_mix64(seed), split_mix64(split_mix64(seed)));
    ((u128::from(first) << 64) | u128::from(second)).to_be_bytes()
}

/// Maps a random number to the range from 0 to `max` (exclusive).
fn scaled(random: u64, max: i64) -> i64 {
    i64::try_from(random % u64::try_from(max.max(1)).unwrap_or(1)).unwrap_or_default()
}

/// The `SplitMix64` generator. Consecutive inputs give very different outputs.
fn split_mix64(number: u64) -> u64 {
    let mut mixed = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

fn hash((memory, passes, lanes): (u32, u32, u32)) -> Result<String> {
    let params = Params::new(memory, passes, lanes, None)?;
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    Ok(argon2.hash_password(PASSWORD.as_bytes())?.to_string())
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    fn dataset() -> Dataset {
        Dataset::new(Size {
            accounts: 1000,
            sessions: 2000,
        })
        .unwrap()
    }

    #[test]
    fn ids_are_unique_and_refer_to_accounts() {
        let dataset = dataset();
        let accounts: HashSet<Uuid> = dataset.accounts().map(|row| row.id).collect();
        let sessions: HashSet<Uuid> = dataset.sessions().map(|row| row.id).collect();
        assert_eq!((accounts.len(), sessions.len()), (1000, 2000));
        assert!(dataset.sessions().all(|row| accounts.contains(&row.account_id)));
        assert!(accounts.iter().all(|id| id.get_version_num() == 4));
        assert!(sessions.iter().all(|id| id.get_version_num() == 7));
    }

    #[test]
    fn sessions_are_live_or_ended_within_a_week() {
        let dataset = dataset();
        let mut ended = 0;
        for row in dataset.sessions() {
            assert!(row.created_at <= row.rotated_at && row.rotated_at <= dataset.now);
            assert!(row.rotated_at > dataset.now - 30 * DAY && row.expires_at > dataset.now);
            if let Some(at) = row.ended_at {
                ended += 1;
                assert!(at >= row.rotated_at && at <= dataset.now && at > dataset.now - 7 * DAY);
            }
        }
        assert_eq!(ended, 2000 / ENDED);
    }

    #[test]
    fn usernames_follow_the_cost_of_the_hash() {
        let dataset = dataset();
        let costly: HashSet<String> = default_hash_usernames(500).collect();
        for row in dataset.accounts() {
            let is_costly = row.password_hash.contains("m=19456,t=2,p=1");
            assert_eq!(costly.contains(&row.username), is_costly, "{}", row.username);
        }
        assert!(cheap_hash_usernames(500).all(|name| !costly.contains(&name)));
    }
}
