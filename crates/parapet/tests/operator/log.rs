//! What a program says, awaited: the kernel tells when its log grows and when it ends.

use std::path::Path;
use std::sync::Arc;
use std::thread;

use notify::{RecursiveMode, Watcher as _};
use parapet_testbed::Process;
use rustix::process::{Pid, WaitId, WaitIdOptions, waitid};
use tokio::sync::{Notify, oneshot};

/// Waits until the log of a program has these words; a program that ends without them fails the test.
pub(crate) async fn says(process: &Process, log: &Path, words: &str) {
    // A permit is kept for who isn't waiting yet, so that nothing is missed between a look and the next wait.
    let grown = Arc::new(Notify::new());
    let tell = Arc::clone(&grown);
    let mut watcher = notify::recommended_watcher(move |_| tell.notify_one()).unwrap();
    watcher.watch(log, RecursiveMode::NonRecursive).unwrap();
    let mut ended = end_of(process);
    loop {
        if process.log().contains(words) {
            return;
        }
        tokio::select! {
            () = grown.notified() => {}
            _ = &mut ended => {
                assert!(process.log().contains(words), "it ended without {words:?}:\n{}", process.last_words());
                return;
            }
        }
    }
}

/// Comes when the program ends. It is left to whoever started it to wait for it.
fn end_of(process: &Process) -> oneshot::Receiver<()> {
    let pid = Pid::from_raw(process.pid().cast_signed()).expect("a process that was started has an id");
    let (tell, ended) = oneshot::channel();
    thread::spawn(move || {
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
        // An error says that somebody has waited for it already.
        let _ = waitid(WaitId::Pid(pid), options);
        let _ = tell.send(());
    });
    ended
}
