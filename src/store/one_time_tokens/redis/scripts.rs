//! The scripts that read and write tokens. Each one works on one key, so that a cluster can run
//! it.

use redis::Script;

/// Loads a script of the folder `lua`, preceded by the functions of another one.
macro_rules! script {
    ($shared:literal, $name:literal) => {
        Script::new(concat!(
            include_str!(concat!("lua/", $shared, ".lua")),
            include_str!(concat!("lua/", $name, ".lua"))
        ))
    };
}

pub(crate) struct Scripts {
    pub(crate) create: Script,
    pub(crate) consume: Script,
    pub(crate) peek: Script,
    pub(crate) count_try: Script,
    pub(crate) try_code: Script,
    pub(crate) subject_add: Script,
    pub(crate) subject_read: Script,
    pub(crate) subject_remove: Script,
}

impl Scripts {
    pub(crate) fn load() -> Self {
        Self {
            create: script!("token", "create"),
            consume: script!("token", "consume"),
            peek: script!("token", "peek"),
            count_try: script!("token", "count_try"),
            try_code: script!("token", "try_code"),
            subject_add: script!("subject", "subject_add"),
            subject_read: script!("subject", "subject_read"),
            subject_remove: script!("subject", "subject_remove"),
        }
    }
}
