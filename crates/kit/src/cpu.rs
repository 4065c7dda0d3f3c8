//! CPU time, for benchmarks: what a busy machine measures the same.

use std::{fs, io, time::Duration};

use rustix::time::{ClockId, Timespec, clock_gettime};

/// CPU time of this thread.
#[must_use]
pub fn of_thread() -> Duration {
    duration(clock_gettime(ClockId::ThreadCPUTime))
}

/// CPU time of this process: of all its threads, also those that ended.
#[must_use]
pub fn of_process() -> Duration {
    duration(clock_gettime(ClockId::ProcessCPUTime))
}

/// CPU time of another process of this machine and of all its threads, also those that ended; counted in hundredths of a second. Linux only: read from `/proc`.
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

/// The system's clocks of CPU time begin at zero, and are never before it.
fn duration(time: Timespec) -> Duration {
    Duration::try_from(time).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_passes_while_a_thread_works() {
        // In this order: what is used between the two counts for the process twice, not against it.
        let (process, thread) = (of_process(), of_thread());
        let mut rounds = 0_u64;
        while of_thread() < thread + Duration::from_millis(2) {
            rounds = std::hint::black_box(rounds + 1);
        }
        assert!(of_process() >= process + Duration::from_millis(2), "{rounds} rounds");
        assert!(of_pid(std::process::id()).is_ok() && of_pid(u32::MAX).is_err());
    }

    #[test]
    fn a_process_keeps_the_time_of_threads_that_ended() {
        let before = of_process();
        let thread = std::thread::spawn(|| {
            while of_thread() < Duration::from_millis(2) {}
            of_thread()
        });
        let used = thread.join().unwrap();
        assert!(of_process() >= before + used);
    }
}
