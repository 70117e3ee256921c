//! The table `signing_keys`.

use sea_orm::ActiveValue::Set;
use sea_orm::entity::prelude::*;

use crate::domain;
use crate::domain::clock::Timestamp;
use crate::domain::signing_key::{SigningAlgorithm, StoredSigningKey};

#[derive(Debug, Clone, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "signing_keys")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub kid: String,
    pub algorithm: String,
    pub public_key: Vec<u8>,
    pub sealed_private_key: Vec<u8>,
    pub created_at: i64,
    pub signs_from: i64,
    pub verifies_until: Option<i64>,
}

#[derive(Debug, Clone, Copy, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl TryFrom<Model> for StoredSigningKey {
    type Error = domain::Error;

    /// Fails for an algorithm that only a newer version of the gateway knows.
    fn try_from(row: Model) -> domain::Result<Self> {
        let unknown = || {
            domain::Error::internal(format!(
                "a stored signing key has the unknown algorithm {}",
                row.algorithm
            ))
        };
        Ok(Self {
            algorithm: SigningAlgorithm::parse(&row.algorithm).ok_or_else(unknown)?,
            kid: row.kid,
            public_key: row.public_key,
            sealed_private_key: row.sealed_private_key,
            created_at: Timestamp::from_millis(row.created_at),
            signs_from: Timestamp::from_millis(row.signs_from),
            verifies_until: row.verifies_until.map(Timestamp::from_millis),
        })
    }
}

impl From<&StoredSigningKey> for ActiveModel {
    fn from(key: &StoredSigningKey) -> Self {
        Self {
            kid: Set(key.kid.clone()),
            algorithm: Set(key.algorithm.as_str().to_owned()),
            public_key: Set(key.public_key.clone()),
            sealed_private_key: Set(key.sealed_private_key.clone()),
            created_at: Set(key.created_at.millis()),
            signs_from: Set(key.signs_from.millis()),
            verifies_until: Set(key.verifies_until.map(Timestamp::millis)),
        }
    }
}
