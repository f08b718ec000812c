//! Network namespaces of a test's own, joined by veth pairs. They vanish with the test, and nothing
//! in them touches the host's interfaces.

use std::fs::File;
use std::marker::PhantomData;
use std::process::Command;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context as _, bail};

use crate::process::{joined, output};
use crate::wait::{DEADLINE, fail};

/// What a namespace's thread is asked to do.
type Task = Box<dyn FnOnce() + Send>;

/// A network namespace, held by a thread that runs what it is given inside.
#[derive(Debug)]
pub struct Namespace {
    tasks: Option<SyncSender<Task>>,
    thread: Option<JoinHandle<()>>,
    thread_id: i32,
}

/// How long work in a namespace may take.
const WORK_DEADLINE: Duration = Duration::from_secs(300);

impl Namespace {
    /// A fresh namespace with its loopback interface up.
    ///
    /// # Errors
    /// Without root, or without `ip` from iproute2.
    pub fn new() -> anyhow::Result<Self> {
        let (tasks, inbox) = sync_channel::<Task>(1);
        let (ready, entered) = sync_channel(1);
        let thread = std::thread::spawn(move || {
            let entry = nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWNET)
                .map(|()| nix::unistd::gettid().as_raw());
            if ready.send(entry).is_ok() {
                for task in inbox {
                    task();
                }
            }
        });
        let thread_id = entered
            .recv_timeout(DEADLINE)
            .context("the namespace's thread has ended or does not answer")?
            .context("cannot create a network namespace (needs root)")?;
        let namespace = Self {
            tasks: Some(tasks),
            thread: Some(thread),
            thread_id,
        };
        namespace.ip("link set lo up")?;
        Ok(namespace)
    }

    /// Runs `work` inside and hands back what it returns.
    ///
    /// # Panics
    /// When `work` does, or takes longer than five minutes.
    pub fn run<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> T {
        let (done, outcome) = sync_channel(1);
        let task: Task = Box::new(move || {
            let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(work));
            if let Err(lost) = done.send(result) {
                drop(lost);
            }
        });
        let tasks = self.tasks.as_ref().expect("present until dropped");
        tasks.send(task).expect("the thread runs until dropped");
        match outcome.recv_timeout(WORK_DEADLINE) {
            Ok(Ok(value)) => value,
            Ok(Err(panic)) => std::panic::resume_unwind(panic),
            Err(_) => fail(&format!(
                "work in a namespace had not ended after {WORK_DEADLINE:?}"
            )),
        }
    }

    /// Moves the calling thread inside until the guard is dropped: sockets it opens and processes
    /// it starts meanwhile belong to this namespace for good. Not to be held over an await.
    ///
    /// # Panics
    /// Without the right to.
    #[must_use]
    pub fn enter(&self) -> Inside {
        let home = File::open("/proc/thread-self/ns/net").expect("this thread has a namespace");
        let there = format!(
            "/proc/{}/task/{}/ns/net",
            std::process::id(),
            self.thread_id
        );
        let there = File::open(there).expect("the namespace is held until dropped");
        nix::sched::setns(there, nix::sched::CloneFlags::CLONE_NEWNET).expect("root may enter");
        Inside {
            home,
            thread: PhantomData,
        }
    }

    /// Runs `work` inside, on a thread of its own.
    ///
    /// # Panics
    /// Without the right to enter.
    pub fn spawn<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> JoinHandle<T> {
        // A thread starts in the namespace of the one that starts it.
        let _inside = self.enter();
        std::thread::spawn(work)
    }

    /// Runs `ip <arguments>` inside.
    ///
    /// # Errors
    /// What it printed.
    pub fn ip(&self, arguments: &str) -> anyhow::Result<()> {
        let arguments = arguments.to_owned();
        self.run(move || {
            let mut command = Command::new("ip");
            command.args(arguments.split_whitespace());
            let output = output(&mut command).context("cannot run `ip`")?;
            if !output.status.success() {
                let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
                bail!("`ip {arguments}`: {}", complaint.trim());
            }
            Ok(())
        })
    }

    /// As [`Self::ip`], while the namespace's thread is busy.
    ///
    /// # Errors
    /// What it printed.
    pub fn ip_from_outside(&self, arguments: &str) -> anyhow::Result<()> {
        let mut command = Command::new("nsenter");
        command
            .arg(format!(
                "--net=/proc/{}/task/{}/ns/net",
                std::process::id(),
                self.thread_id
            ))
            .arg("ip")
            .args(arguments.split_whitespace());
        let output = output(&mut command).context("cannot run `nsenter`")?;
        if !output.status.success() {
            bail!("{}", String::from_utf8_lossy(&output.stderr).trim());
        }
        Ok(())
    }

    /// Joins two namespaces: `inside` here and `outside` there, both up, with one address each.
    ///
    /// # Errors
    /// `ip`'s.
    pub fn join(
        &self,
        inside: (&str, &str),
        other: &Self,
        outside: (&str, &str),
    ) -> anyhow::Result<()> {
        self.ip(&format!(
            "link add {} type veth peer name {} netns {}",
            inside.0, outside.0, other.thread_id
        ))?;
        for (namespace, (name, address)) in [(self, inside), (other, outside)] {
            namespace.ip(&format!("address add {address} dev {name}"))?;
            namespace.ip(&format!("link set {name} up"))?;
        }
        Ok(())
    }
}

/// The calling thread is inside a namespace; dropping this takes it back.
#[derive(Debug)]
pub struct Inside {
    home: File,
    /// Namespaces belong to threads, so this must not move to another one.
    thread: PhantomData<*const ()>,
}

impl Drop for Inside {
    fn drop(&mut self) {
        nix::sched::setns(&self.home, nix::sched::CloneFlags::CLONE_NEWNET)
            .expect("the way back is open");
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        drop(self.tasks.take());
        if let Some(thread) = self.thread.take()
            && let Some(Err(panic)) = joined(thread, "the last work in a namespace")
            && !std::thread::panicking()
        {
            std::panic::resume_unwind(panic);
        }
    }
}
