//! Who runs next: a bounded queue in front of a fixed number of slots, each with one worker process.
//!
//! What holds: at most `workers` calls run and `queue` wait, and one that finds no place is `busy` at
//! once; nobody waits longer than [`patience::QUEUE`]; a call whose caller is gone is not run; a
//! worker that ended is replaced at once the first time, and with a pause that doubles up to
//! [`PAUSE_MAX`] each time after that until a call is answered, so that nothing a guest does makes a loop.
//! The pause stays below [`patience::QUEUE`], so that a call that waits for it is run and not refused.

use std::{sync::Arc, time::Duration};

use bellgate_enclave_protocol::{Cause, Invoke, patience};
use bytes::Bytes;
use tokio::{
    sync::{Mutex, OwnedSemaphorePermit, Semaphore, mpsc, oneshot, watch},
    task::JoinSet,
    time::{sleep, timeout},
};

use crate::worker_process::{Ran, WorkerProcess, WorkerStart};

const PAUSE_FIRST: Duration = Duration::from_millis(20);
const PAUSE_MAX: Duration = Duration::from_secs(2);

/// The slots and their queue.
pub(crate) struct Pool {
    places: Arc<Semaphore>,
    jobs: mpsc::Sender<Job>,
    slots: Mutex<JoinSet<()>>,
    ending: watch::Sender<bool>,
}

/// A call on its way to a slot.
struct Job {
    call: Invoke,
    module: Bytes,
    taken: oneshot::Sender<()>,
    answer: oneshot::Sender<Result<Bytes, Cause>>,
    _place: OwnedSemaphorePermit,
}

impl Pool {
    /// Starts the slots; each starts its worker at once.
    pub(crate) fn start(workers: usize, queue: usize, how: &WorkerStart) -> Self {
        let places = workers + queue;
        let (jobs, waiting) = mpsc::channel(places);
        let (ending, _) = watch::channel(false);
        let waiting = Arc::new(Mutex::new(waiting));
        let mut slots = JoinSet::new();
        for _ in 0..workers {
            slots.spawn(slot(Arc::clone(&waiting), how.clone(), ending.subscribe()));
        }
        Self { places: Arc::new(Semaphore::new(places)), jobs, slots: Mutex::new(slots), ending }
    }

    /// Runs a call. Dropping the future drops a call that still waits; one that runs runs to its own limits.
    pub(crate) async fn call(&self, call: Invoke, module: Bytes) -> Result<Bytes, Cause> {
        let place = Arc::clone(&self.places).try_acquire_owned().map_err(|_| Cause::Busy)?;
        let (taken, is_taken) = oneshot::channel();
        let (answer, is_answered) = oneshot::channel();
        let job = Job { call, module, taken, answer, _place: place };
        self.jobs.try_send(job).map_err(|_| Cause::Busy)?;
        match timeout(patience::QUEUE, is_taken).await {
            Ok(Ok(())) => is_answered.await.unwrap_or(Err(Cause::Unavailable)),
            Ok(Err(_)) => Err(Cause::Unavailable),
            Err(_) => Err(Cause::Busy),
        }
    }

    /// Ends all slots and waits until every worker is gone.
    pub(crate) async fn end(&self) {
        self.ending.send_replace(true);
        let mut slots = self.slots.lock().await;
        while slots.join_next().await.is_some() {}
    }
}

async fn slot(waiting: Arc<Mutex<mpsc::Receiver<Job>>>, how: WorkerStart, mut ending: watch::Receiver<bool>) {
    let mut losses = 0;
    loop {
        tokio::select! {
            () = sleep(pause(losses)) => {}
            _ = ending.wait_for(|ending| *ending) => return,
        }
        let mut worker = match WorkerProcess::start(&how) {
            Ok(worker) => worker,
            Err(error) => {
                log::error!("a worker could not be started: {error}");
                losses += 1;
                continue;
            }
        };
        let end = tokio::select! {
            end = serve(&waiting, &mut worker, &mut losses) => end,
            _ = ending.wait_for(|ending| *ending) => End::Told,
        };
        worker.kill().await;
        match end {
            End::Told => return,
            End::Lost(why) => {
                losses += 1;
                log::warn!("a worker ended: {why}; another one is started in {:?}", pause(losses));
            }
            End::LostUnder(cause, answer) => {
                losses += 1;
                log::warn!("a worker ended under a call: {cause}; another one is started in {:?}", pause(losses));
                let _ = answer.send(Err(cause)); // only now: nothing of the call runs any more
            }
        }
    }
}

/// Why a worker is used no more.
enum End {
    Told,
    Lost(&'static str),
    LostUnder(Cause, oneshot::Sender<Result<Bytes, Cause>>),
}

async fn serve(waiting: &Mutex<mpsc::Receiver<Job>>, worker: &mut WorkerProcess, losses: &mut u32) -> End {
    loop {
        let job = tokio::select! {
            job = async { waiting.lock().await.recv().await } => job,
            () = worker.ended() => return End::Lost("it was idle"),
        };
        let Some(job) = job else { return End::Told };
        if job.answer.is_closed() || job.taken.send(()).is_err() {
            continue; // nobody waits for it any more
        }
        match worker.run(job.call, job.module).await {
            Ran::Answered(answer) => {
                *losses = 0;
                let _ = job.answer.send(answer);
            }
            Ran::Lost(cause) => return End::LostUnder(cause, job.answer),
        }
    }
}

fn pause(losses: u32) -> Duration {
    match losses {
        0 | 1 => Duration::ZERO,
        more => PAUSE_FIRST.saturating_mul(1 << (more - 2).min(16)).min(PAUSE_MAX),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pause_doubles_to_its_bound() {
        let milliseconds: Vec<_> = (0..12).map(|losses| pause(losses).as_millis()).collect();
        assert_eq!(milliseconds, [0, 0, 20, 40, 80, 160, 320, 640, 1280, 2000, 2000, 2000]);
        assert_eq!(pause(u32::MAX), PAUSE_MAX);
        assert!(PAUSE_MAX < patience::QUEUE);
    }
}
