//! Processes and threads that are waited for, and never without end.

use std::io::{Error, Read, Result};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::time::Instant;

use crate::wait::{DEADLINE, LOOK_AGAIN, fail};

/// How long a command may take. Wide, because some read a lot and machines are busy.
pub const COMMAND_DEADLINE: Duration = Duration::from_secs(120);

/// Runs a command to its end, without input. It is killed where that takes longer than
/// [`COMMAND_DEADLINE`].
///
/// # Errors
/// It cannot be started or waited for.
///
/// # Panics
/// When it does not end, with what it said until then.
pub fn output(command: &mut Command) -> Result<Output> {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut process = command.spawn()?;
    let missing = || Error::other("its output is not piped");
    let stdout = read(process.stdout.take().ok_or_else(missing)?);
    let stderr = read(process.stderr.take().ok_or_else(missing)?);
    let status = ended(&mut process, COMMAND_DEADLINE)?;
    if status.is_none() {
        process.kill()?;
        process.wait()?;
    }
    let [stdout, stderr] = [stdout, stderr].map(|said| {
        let said = said.recv_timeout(DEADLINE);
        said.unwrap_or_else(|_| fail(&format!("something holds the output of {command:?} open")))
    });
    let Some(status) = status else {
        let (stdout, stderr) = (
            String::from_utf8_lossy(&stdout),
            String::from_utf8_lossy(&stderr),
        );
        fail(&format!(
            "{command:?} had not ended after {COMMAND_DEADLINE:?}; it said:\n{stdout}\n{stderr}"
        ));
    };
    Ok(Output {
        status,
        stdout,
        stderr,
    })
}

/// Everything that `output` gives, once it has ended.
fn read(mut output: impl Read + Send + 'static) -> Receiver<Vec<u8>> {
    let (done, said) = sync_channel(1);
    // It ends with the output, and nobody waits for it longer than a deadline.
    drop(std::thread::spawn(move || {
        let mut bytes = Vec::new();
        // What came before an error is all there is.
        drop(output.read_to_end(&mut bytes));
        drop(done.send(bytes));
    }));
    said
}

/// How a process ended; `None` where it has not within `limit`.
///
/// # Errors
/// It cannot be waited for.
pub fn ended(process: &mut Child, limit: Duration) -> Result<Option<ExitStatus>> {
    let start = Instant::now();
    loop {
        match process.try_wait()? {
            None if start.elapsed() < limit => std::thread::sleep(LOOK_AGAIN),
            outcome => return Ok(outcome),
        }
    }
}

/// What a thread returned, or what it panicked with.
///
/// # Errors
/// The thread has panicked.
///
/// # Panics
/// When it has not ended within [`DEADLINE`]; `what` says what it does. A test that is failing
/// already leaves it behind instead, and gets nothing.
pub fn joined<T>(thread: JoinHandle<T>, what: &str) -> Option<std::thread::Result<T>> {
    let start = Instant::now();
    while !thread.is_finished() {
        if start.elapsed() >= DEADLINE {
            if std::thread::panicking() {
                return None;
            }
            fail(&format!("still waiting for {what} after {DEADLINE:?}"));
        }
        std::thread::sleep(LOOK_AGAIN);
    }
    Some(thread.join())
}
