//! The limit of open files and sockets of this process.

/// Raises the limit to the maximum that the system allows. The initial limit is often 1024, for
/// programs that use `select(2)`, and would not suffice for `MAX_CONNECTIONS`.
#[cfg(target_os = "linux")]
pub fn raise_descriptor_limit() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

    let limits = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limits.maximum,
        ..limits
    };
    if let Err(error) = setrlimit(Resource::Nofile, raised) {
        tracing::debug!(%error, "the limit of open files is not raised");
    }
}

/// Does nothing: other systems count open files differently.
#[cfg(not(target_os = "linux"))]
pub fn raise_descriptor_limit() {}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

    use super::raise_descriptor_limit;

    #[test]
    fn the_limit_is_raised_to_the_maximum() {
        let before = getrlimit(Resource::Nofile);
        let lower = before.maximum.map(|most| most - 1);
        setrlimit(
            Resource::Nofile,
            Rlimit {
                current: lower,
                ..before
            },
        )
        .unwrap();
        raise_descriptor_limit();
        let after = getrlimit(Resource::Nofile);
        assert_eq!((after.current, after.maximum), (before.maximum, before.maximum));
    }
}
