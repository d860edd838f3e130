//! One thread that makes all calls to a disk, so that a sync never blocks an async task.

use std::{
    sync::{Arc, mpsc},
    thread::{self, JoinHandle},
};

use tokio::sync::oneshot;

use crate::disk::{Disk, DiskError};

type Job<D> = Box<dyn FnOnce(&D) + Send>;

/// Runs jobs on a disk one after another, in the order in which they were given.
///
/// Clones share the thread; dropping the last one waits for the job at hand and closes the disk.
pub struct DiskThread<D> {
    worker: Arc<Worker<D>>,
}

impl<D> Clone for DiskThread<D> {
    fn clone(&self) -> Self {
        Self { worker: self.worker.clone() }
    }
}

enum Worker<D> {
    /// The disk never waits, so there is no thread. In a simulation this also keeps the order of
    /// events a matter of its seed alone.
    Inline(D),
    /// The queue has no bound of its own: every job has a task that waits for it.
    Thread { jobs: Option<mpsc::Sender<Job<D>>>, thread: Option<JoinHandle<()>> },
}

impl<D: Disk> DiskThread<D> {
    /// Starts a thread for a disk that waits; jobs on others run in place.
    ///
    /// # Errors
    ///
    /// [`DiskError::Thread`] when the system gives no thread.
    pub fn start(disk: D) -> Result<Self, DiskError> {
        let worker = if disk.waits() {
            let (jobs, queue) = mpsc::channel::<Job<D>>();
            let thread = thread::Builder::new().name("raft-disk".to_owned()).spawn(move || {
                while let Ok(job) = queue.recv() {
                    job(&disk);
                }
            });
            let thread = thread.map_err(|source| DiskError::Thread { source })?;
            Worker::Thread { jobs: Some(jobs), thread: Some(thread) }
        } else {
            Worker::Inline(disk)
        };
        Ok(Self { worker: Arc::new(worker) })
    }

    /// Runs a job and waits for its outcome; once given it runs, even if nobody waits any more.
    ///
    /// # Errors
    ///
    /// The job's own, or [`DiskError::Stopped`] when an earlier job has panicked.
    pub async fn run<T, E>(&self, job: impl FnOnce(&D) -> Result<T, E> + Send + 'static) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<DiskError> + Send + 'static,
    {
        match &*self.worker {
            Worker::Inline(disk) => job(disk),
            Worker::Thread { jobs, .. } => {
                let (done, outcome) = oneshot::channel();
                let job: Job<D> = Box::new(move |disk| {
                    // Nobody waits any more: the outcome is of no interest.
                    let _ = done.send(job(disk));
                });
                let jobs = jobs.as_ref().expect("taken on drop only");
                jobs.send(job).map_err(|_| DiskError::Stopped)?;
                outcome.await.map_err(|_| DiskError::Stopped)?
            }
        }
    }
}

impl<D> Drop for Worker<D> {
    fn drop(&mut self) {
        if let Self::Thread { jobs, thread } = self {
            drop(jobs.take());
            if let Some(thread) = thread.take()
                && thread.join().is_err()
            {
                tracing::error!("the disk's thread has panicked");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;
    use crate::disk::{SledDisk, Table};

    #[tokio::test]
    async fn jobs_run_in_the_order_in_which_they_are_given() {
        let dir = tempfile::tempdir().unwrap();
        let disk = DiskThread::start(SledDisk::open(dir.path()).unwrap()).unwrap();
        let order = Arc::new(Mutex::new(Vec::new()));
        let jobs = (0..20).map(|number| {
            let (disk, order) = (disk.clone(), order.clone());
            tokio::spawn(async move {
                let note = move |_: &SledDisk| {
                    order.lock().unwrap().push(number);
                    Ok::<_, DiskError>(())
                };
                disk.run(note).await.unwrap();
            })
        });
        for job in jobs.collect::<Vec<_>>() {
            job.await.unwrap();
        }
        assert_eq!(*order.lock().unwrap(), (0..20).collect::<Vec<_>>());
    }

    #[tokio::test]
    async fn dropping_the_last_handle_closes_the_disk() {
        let dir = tempfile::tempdir().unwrap();
        let disk = DiskThread::start(SledDisk::open(dir.path()).unwrap()).unwrap();
        let other = disk.clone();
        drop(disk);
        assert!(matches!(SledDisk::open(dir.path()), Err(DiskError::InUse { .. })));
        drop(other);
        SledDisk::open(dir.path()).unwrap().get(Table::new("any"), b"").unwrap();
    }
}
