//! The scheduling priority of a thread.

/// Raises the nice value of the calling thread. Only Linux has a nice value for each thread. It
/// needs no permission, but a sandbox may forbid it; then the priority stays.
#[cfg(target_os = "linux")]
pub(crate) fn lower_priority(steps: i32) {
    use std::sync::Once;

    use rustix::process::{getpriority_process, setpriority_process};
    use rustix::thread::gettid;

    static LOGGED: Once = Once::new();
    let thread = Some(gettid());
    let lowered = getpriority_process(thread).and_then(|nice| setpriority_process(thread, nice + steps));
    if let Err(error) = lowered {
        LOGGED.call_once(|| tracing::debug!(%error, "the priority of the hashing threads is not lowered"));
    }
}

/// Does nothing on other systems.
#[cfg(not(target_os = "linux"))]
pub(crate) fn lower_priority(_steps: i32) {}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::thread;

    use rustix::process::getpriority_process;
    use rustix::thread::gettid;

    use super::lower_priority;

    #[test]
    fn only_the_calling_thread_is_lowered() {
        let nice = || getpriority_process(Some(gettid())).unwrap();
        let before = nice();
        let lowered = thread::spawn(move || {
            lower_priority(1);
            nice()
        });
        assert_eq!(lowered.join().unwrap(), before + 1);
        assert_eq!(nice(), before);
    }
}
