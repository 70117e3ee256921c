//! How much the system prefers other threads to the calling one.

/// Lowers the priority of the calling thread by so many steps: on Linux alone, where threads have priorities of their own. That needs no
/// permission, but a sandbox may forbid it; then the thread goes on as it is.
#[cfg(target_os = "linux")]
pub(crate) fn give_way(steps: i32) {
    use std::sync::Once;

    use rustix::process::{getpriority_process, setpriority_process};
    use rustix::thread::gettid;

    static SAID: Once = Once::new();
    let thread = Some(gettid());
    let lowered = getpriority_process(thread).and_then(|nice| setpriority_process(thread, nice + steps));
    if let Err(error) = lowered {
        SAID.call_once(|| tracing::debug!(%error, "the hashing threads keep the priority of the others"));
    }
}

/// Lowers the priority of the calling thread, on Linux.
#[cfg(not(target_os = "linux"))]
pub(crate) fn give_way(_steps: i32) {}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::thread;

    use rustix::process::getpriority_process;
    use rustix::thread::gettid;

    use super::give_way;

    #[test]
    fn one_thread_gives_way_and_the_others_do_not() {
        let nice = || getpriority_process(Some(gettid())).unwrap();
        let before = nice();
        let lowered = thread::spawn(move || {
            give_way(1);
            nice()
        });
        assert_eq!(lowered.join().unwrap(), before + 1);
        assert_eq!(nice(), before);
    }
}
