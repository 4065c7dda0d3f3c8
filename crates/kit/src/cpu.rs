//! CPU time, for benchmarks: what a busy machine measures the same. Linux only: it is read from `/proc`.

use std::{fs, io, time::Duration};

/// "No such process".
const ESRCH: i32 = 3;

/// CPU time of this thread.
///
/// # Errors
/// When the system does not tell.
pub fn of_thread() -> io::Result<Duration> {
    settle();
    nanoseconds(&fs::read_to_string("/proc/thread-self/schedstat")?)
}

/// CPU time of every living thread of this process; what a thread that ended had used is gone with it.
///
/// # Errors
/// When the system does not tell.
pub fn of_process() -> io::Result<Duration> {
    settle();
    let mut sum = Duration::ZERO;
    for task in fs::read_dir("/proc/self/task")? {
        match fs::read_to_string(task?.path().join("schedstat")) {
            Ok(text) => sum += nanoseconds(&text)?,
            // It ended between the listing and the read.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) if error.raw_os_error() == Some(ESRCH) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(sum)
}

/// CPU time of another process of this machine and of all its threads, also those that ended; counted in hundredths of a second.
///
/// # Errors
/// When there is no such process, or the system does not tell.
pub fn of_pid(pid: u32) -> io::Result<Duration> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let missing = || io::Error::new(io::ErrorKind::InvalidData, "stat has no CPU time");
    // The name, in parentheses, may hold anything; the 12th and 13th field after it are user and system time.
    let (_, after) = text.rsplit_once(')').ok_or_else(missing)?;
    let ticks = |field: &str| field.parse::<u64>().ok();
    let mut fields = after.split_whitespace().skip(11).map(ticks);
    let (user, system) =
        fields.next().flatten().zip(fields.next().flatten()).ok_or_else(missing)?;
    Ok(Duration::from_millis(10 * (user + system)))
}

/// The kernel books the time of a running thread only when it looks at it: at a tick, or when it gives way.
fn settle() {
    std::thread::yield_now();
}

/// The first number of a `schedstat` is nanoseconds on a CPU.
fn nanoseconds(text: &str) -> io::Result<Duration> {
    let first = text.split_whitespace().next().and_then(|number| number.parse().ok());
    first
        .map(Duration::from_nanos)
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "schedstat has no number"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_passes_while_a_thread_works() {
        let (thread, process) = (of_thread().unwrap(), of_process().unwrap());
        let mut rounds = 0_u64;
        while of_thread().unwrap() < thread + Duration::from_millis(2) {
            rounds = std::hint::black_box(rounds + 1);
        }
        assert!(of_process().unwrap() > process, "{rounds} rounds");
        assert!(nanoseconds("").is_err());
        assert!(of_pid(std::process::id()).is_ok() && of_pid(u32::MAX).is_err());
    }
}
