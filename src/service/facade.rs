//! The service that both APIs call.

use std::sync::Arc;

use crate::service::account::AccountService;
use crate::service::credentials::CredentialsService;
use crate::service::health::HealthCheck;
use crate::service::maintenance::Maintenance;
use crate::service::session::SessionService;
use crate::service::sign_in::SignInService;
use crate::service::signing_key::SigningKeyService;

/// One struct for each subject.
pub struct Service {
    pub account: AccountService,
    pub credentials: CredentialsService,
    pub sign_in: SignInService,
    pub session: SessionService,
    pub signing_keys: Arc<SigningKeyService>,
    pub health: HealthCheck,
    pub maintenance: Maintenance,
}
