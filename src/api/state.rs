//! What every handler can reach.

use std::sync::Arc;

use crate::api::http::body::BodyRules;
use crate::api::http::cookie::CookieRules;
use crate::api::http::forwarded::Proxies;
use crate::api::options::ApiOptions;
use crate::service::Service;

#[derive(Clone)]
pub(crate) struct ApiState {
    pub(crate) service: Arc<Service>,
    pub(crate) proxies: Arc<Proxies>,
    pub(crate) cookie_rules: Arc<CookieRules>,
    pub(crate) bodies: BodyRules,
}

impl ApiState {
    pub(crate) fn new(service: Arc<Service>, options: &ApiOptions) -> Self {
        Self {
            service,
            proxies: Arc::new(options.proxies.clone()),
            cookie_rules: Arc::new(CookieRules::new(&options.browsers)),
            bodies: options.bodies,
        }
    }
}
