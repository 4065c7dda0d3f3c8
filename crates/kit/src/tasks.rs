//! Tasks that start in order, stop in reverse, and fail together. Nothing is detached: every task has a name and is listed.
//!
//! A service is a list of tasks. Each gets its own [`Shutdown`] token; [`Tasks::run`] waits for the first failure or for a
//! request to stop, then asks the last started task to stop, waits for it, and goes on to the one before.
//!
//! Invariant: when `run` returns, no task of the list runs any more.

use std::{
    error::Error,
    future::Future,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use futures::{FutureExt as _, StreamExt as _, future::BoxFuture, stream::FuturesUnordered};
use tokio_util::sync::CancellationToken;

/// How long a task may take to stop before it is aborted: on a slow machine what it holds is still written.
pub const STOP_GRACE: Duration = Duration::from_secs(60);

/// Why a task failed; its chain of sources is kept.
pub type TaskFailure = Box<dyn Error + Send + Sync>;

/// A request to stop that any number of tasks can wait for.
#[derive(Clone, Debug, Default)]
pub struct Shutdown(CancellationToken);

impl Shutdown {
    /// A token that nobody has requested yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }
    /// Asks everybody who holds the token, or a child of it, to stop.
    pub fn request(&self) {
        self.0.cancel();
    }
    /// Whether stopping was requested.
    #[must_use]
    pub fn is_requested(&self) -> bool {
        self.0.is_cancelled()
    }
    /// Waits until stopping is requested.
    pub async fn requested(&self) {
        self.0.cancelled().await;
    }
    /// A token that is requested with this one, or alone.
    #[must_use]
    pub fn child(&self) -> Self {
        Self(self.0.child_token())
    }
    /// Runs `work` until it ends or stopping is requested; `None` in the second case. `work` is dropped then.
    pub async fn until<F: Future>(&self, work: F) -> Option<F::Output> {
        self.0.run_until_cancelled(work).await
    }
}

/// Where a task stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TaskState {
    /// It runs.
    Running,
    /// It ended without failure.
    Finished,
    /// It failed, with the reason.
    Failed(String),
}

/// A line of the list of tasks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TaskStatus {
    /// Name, unique by convention: `component.role`.
    pub name: String,
    /// State.
    pub state: TaskState,
}

/// What went wrong in a list of tasks.
#[derive(Debug, thiserror::Error)]
pub enum TasksError {
    /// The first task that failed; all others were stopped.
    #[error("task {name} failed")]
    Failed {
        /// Its name.
        name: String,
        /// Why.
        #[source]
        source: TaskFailure,
    },
    /// A task that did not stop within [`STOP_GRACE`] and was aborted.
    #[error("task {name} did not stop within {STOP_GRACE:?}")]
    Stuck {
        /// Its name.
        name: String,
    },
}

struct Running {
    name: String,
    shutdown: Shutdown,
    abort: Option<tokio::task::AbortHandle>,
    done: BoxFuture<'static, Result<(), TaskFailure>>,
}

/// A list of tasks; see the module.
pub struct Tasks {
    shutdown: Shutdown,
    running: Vec<Running>,
    list: TaskList,
}

/// The list of tasks, for a status page; clones share it.
#[derive(Clone, Default)]
pub struct TaskList(Arc<Mutex<Vec<TaskStatus>>>);

impl TaskList {
    /// Every task in the order of its start.
    #[must_use]
    pub fn all(&self) -> Vec<TaskStatus> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
    fn add(&self, name: &str) -> usize {
        let mut list = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        list.push(TaskStatus { name: name.to_owned(), state: TaskState::Running });
        list.len() - 1
    }
    fn set(&self, index: usize, state: TaskState) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)[index].state = state;
    }
}

impl Tasks {
    /// An empty list that stops when `shutdown` is requested.
    #[must_use]
    pub fn new(shutdown: Shutdown) -> Self {
        Self { shutdown, running: Vec::new(), list: TaskList::default() }
    }

    /// The list, for a status page.
    #[must_use]
    pub fn list(&self) -> TaskList {
        self.list.clone()
    }

    /// Starts a task on the current runtime. It gets the token at which it must stop.
    pub fn spawn<F, E>(&mut self, name: &str, task: impl FnOnce(Shutdown) -> F)
    where
        F: Future<Output = Result<(), E>> + Send + 'static,
        E: Into<TaskFailure> + Send + 'static,
    {
        // Not a child of the list's token: tasks are asked one by one, in reverse.
        let shutdown = Shutdown::new();
        let future = task(shutdown.clone());
        let handle = tokio::spawn(async move { future.await.map_err(Into::into) });
        let abort = handle.abort_handle();
        let done = handle.map(|joined| joined.unwrap_or_else(|error| Err(Box::new(error)))).boxed();
        self.push(name, shutdown, Some(abort), done);
    }

    /// Starts a task on a thread of its own, for what brings its own runtime or blocks. It cannot be aborted.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn spawn_thread<E>(
        &mut self,
        name: &str,
        task: impl FnOnce(Shutdown) -> Result<(), E> + Send + 'static,
    ) -> std::io::Result<()>
    where
        E: Into<TaskFailure> + Send + 'static,
    {
        let shutdown = Shutdown::new();
        let (sender, receiver) = tokio::sync::oneshot::channel();
        let token = shutdown.clone();
        std::thread::Builder::new().name(name.to_owned()).spawn(move || {
            // The list may be gone already; then nobody is left to tell.
            let _ = sender.send(task(token).map_err(Into::into));
        })?;
        let done = receiver
            .map(|result| result.unwrap_or_else(|_| Err("the thread panicked".into())))
            .boxed();
        self.push(name, shutdown, None, done);
        Ok(())
    }

    fn push(
        &mut self,
        name: &str,
        shutdown: Shutdown,
        abort: Option<tokio::task::AbortHandle>,
        done: BoxFuture<'static, Result<(), TaskFailure>>,
    ) {
        let (index, list) = (self.list.add(name), self.list.clone());
        let done = done
            .inspect(move |result| {
                let state = match result {
                    Ok(()) => TaskState::Finished,
                    Err(error) => TaskState::Failed(error.to_string()),
                };
                list.set(index, state);
            })
            .boxed();
        tracing::debug!(task = name, "task started");
        self.running.push(Running { name: name.to_owned(), shutdown, abort, done });
    }

    /// Waits until a task fails, all have finished, or stopping is requested; then stops the rest in reverse.
    ///
    /// # Errors
    /// The first failure, or the first task that would not stop.
    pub async fn run(mut self) -> Result<(), TasksError> {
        let mut first = {
            let mut all: FuturesUnordered<_> = self
                .running
                .iter_mut()
                .enumerate()
                .map(|(i, task)| (&mut task.done).map(move |result| (i, result)))
                .collect();
            let mut ended = Vec::new();
            let failure = loop {
                tokio::select! {
                    () = self.shutdown.requested() => break None,
                    next = all.next() => match next {
                        None => break None,
                        Some((i, Ok(()))) => ended.push(i),
                        Some((i, Err(source))) => { ended.push(i); break Some((i, source)); }
                    }
                }
            };
            drop(all);
            let failure = failure.map(|(i, source)| TasksError::Failed {
                name: self.running[i].name.clone(),
                source,
            });
            ended.sort_unstable();
            for i in ended.into_iter().rev() {
                self.running.remove(i);
            }
            failure
        };
        while let Some(task) = self.running.pop() {
            if let Err(error) = stop(task).await {
                first.get_or_insert(error);
            }
        }
        first.map_or(Ok(()), Err)
    }
}

async fn stop(task: Running) -> Result<(), TasksError> {
    let Running { name, shutdown, abort, done } = task;
    shutdown.request();
    match tokio::time::timeout(STOP_GRACE, done).await {
        Ok(Ok(())) => {
            tracing::debug!(task = name, "task stopped");
            Ok(())
        }
        Ok(Err(source)) => Err(TasksError::Failed { name, source }),
        Err(_) => {
            if let Some(abort) = abort {
                abort.abort();
            }
            Err(TasksError::Stuck { name })
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    type Log = Arc<Mutex<Vec<&'static str>>>;

    fn waits(
        name: &'static str,
        log: &Log,
    ) -> impl FnOnce(Shutdown) -> BoxFuture<'static, io::Result<()>> + use<> {
        let log = log.clone();
        move |shutdown| {
            async move {
                shutdown.requested().await;
                log.lock().unwrap().push(name);
                Ok(())
            }
            .boxed()
        }
    }

    #[tokio::test]
    async fn tasks_stop_in_reverse_on_request() {
        let (log, shutdown) = (Log::default(), Shutdown::new());
        let mut tasks = Tasks::new(shutdown.clone());
        tasks.spawn("a", waits("a", &log));
        tasks.spawn("b", waits("b", &log));
        let thread_log = log.clone();
        tasks
            .spawn_thread("c", move |shutdown| {
                futures::executor::block_on(shutdown.requested());
                thread_log.lock().unwrap().push("c");
                Ok::<(), io::Error>(())
            })
            .unwrap();
        let list = tasks.list();
        shutdown.request();
        tasks.run().await.unwrap();
        assert_eq!(*log.lock().unwrap(), ["c", "b", "a"]);
        assert!(
            list.all().iter().all(|task| task.state == TaskState::Finished),
            "{:?}",
            list.all()
        );
    }

    #[tokio::test]
    async fn the_first_failure_stops_all_and_is_named() {
        let log = Log::default();
        let mut tasks = Tasks::new(Shutdown::new());
        tasks.spawn("a", waits("a", &log));
        tasks.spawn("bad", |_| async { Err(io::Error::other("disk full")) });
        tasks.spawn("done", |_| async { Ok::<(), io::Error>(()) });
        let list = tasks.list();
        let error = tasks.run().await.unwrap_err();
        assert_eq!(error.to_string(), "task bad failed");
        assert_eq!(error.source().unwrap().to_string(), "disk full");
        assert_eq!(*log.lock().unwrap(), ["a"]);
        assert_eq!(list.all()[1].state, TaskState::Failed("disk full".to_owned()));
    }

    #[tokio::test]
    async fn a_panic_is_a_failure() {
        let mut tasks = Tasks::new(Shutdown::new());
        tasks.spawn("panics", |_| async {
            assert!(std::env::args().count() == 0, "a bug");
            Ok::<(), io::Error>(())
        });
        assert!(
            matches!(tasks.run().await, Err(TasksError::Failed { name, .. }) if name == "panics")
        );
    }
}
