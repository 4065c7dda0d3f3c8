//! The network clock: network time as a function of wall time, of a scale, and of a limit that a supervisor raises.
//!
//! On a real network the scale is 1 and there is no limit. In a replay months pass in minutes, and the clock must not run
//! ahead of its slowest part: the supervisor sets a limit (say the end of an epoch) and raises it when everybody is ready.
//! While the clock stands at its limit no time passes; when the limit is raised it goes on *from there*, it does not jump.
//!
//! Invariant: time never goes back, and never passes the limit.

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use tokio::sync::watch;

/// Network time in milliseconds since 1970-01-01 UTC; clones share one time.
#[derive(Clone)]
pub struct NetworkClock {
    inner: Arc<Inner>,
}

struct Inner {
    /// Network milliseconds that pass in one wall millisecond; 0 for a manual clock.
    scale: u64,
    state: Mutex<State>,
    /// Ticks whenever the anchor or the limit moved.
    changed: watch::Sender<()>,
}

struct State {
    anchor_ms: u64,
    anchored: Instant,
    limit_ms: Option<u64>,
}

impl State {
    /// Network time at the wall instant `wall`.
    fn at(&self, scale: u64, wall: Instant) -> u64 {
        let passed = u64::try_from(wall.saturating_duration_since(self.anchored).as_micros())
            .unwrap_or(u64::MAX);
        // Microseconds times scale, so that a scale of 180 has a grain below one network second.
        let free = self.anchor_ms.saturating_add(passed.saturating_mul(scale) / 1_000);
        self.limit_ms.map_or(free, |limit| free.min(limit))
    }
}

impl NetworkClock {
    /// A clock that shows `anchor_ms` now and then runs `scale` times as fast as the wall.
    ///
    /// # Panics
    /// When `scale` is 0: such a clock would never move (see [`Self::manual`]).
    #[must_use]
    pub fn running(anchor_ms: u64, scale: u64) -> Self {
        assert!(scale > 0, "a running clock needs a scale of 1 or more");
        Self::new(anchor_ms, scale)
    }

    /// The clock of a real network: network time is UTC.
    #[must_use]
    pub fn wall() -> Self {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self::running(u64::try_from(now.as_millis()).unwrap_or(u64::MAX), 1)
    }

    /// A clock that moves only by [`Self::advance`] and [`Self::advance_to`]: with it no test sleeps.
    #[must_use]
    pub fn manual(now_ms: u64) -> Self {
        Self::new(now_ms, 0)
    }

    fn new(anchor_ms: u64, scale: u64) -> Self {
        let state = State { anchor_ms, anchored: Instant::now(), limit_ms: None };
        Self {
            inner: Arc::new(Inner {
                scale,
                state: Mutex::new(state),
                changed: watch::Sender::new(()),
            }),
        }
    }

    /// The same clock, standing still at `limit_ms` until the limit is raised.
    #[must_use]
    pub fn with_limit(self, limit_ms: u64) -> Self {
        self.state().limit_ms = Some(limit_ms);
        self
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Every update leaves the state whole, so a panic elsewhere does not spoil it.
        self.inner.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Network time now, in ms.
    #[must_use]
    pub fn now_ms(&self) -> u64 {
        self.state().at(self.inner.scale, Instant::now())
    }

    /// Network milliseconds in one wall millisecond; 0 for a manual clock.
    #[must_use]
    pub fn scale(&self) -> u64 {
        self.inner.scale
    }

    /// The limit, if there is one.
    #[must_use]
    pub fn limit_ms(&self) -> Option<u64> {
        self.state().limit_ms
    }

    /// Raises the limit to `limit_ms`; a lower one than now in force is ignored. A clock that stood at the old limit goes on
    /// from there.
    pub fn raise_limit(&self, limit_ms: u64) {
        {
            let mut state = self.state();
            let Some(old) = state.limit_ms else { return };
            if limit_ms <= old {
                return;
            }
            self.rebase(&mut state);
            state.limit_ms = Some(limit_ms);
        }
        self.inner.changed.send_replace(());
    }

    /// Removes the limit.
    pub fn release(&self) {
        {
            let mut state = self.state();
            self.rebase(&mut state);
            state.limit_ms = None;
        }
        self.inner.changed.send_replace(());
    }

    /// Moves the anchor to now, so that time spent at the limit does not count.
    fn rebase(&self, state: &mut State) {
        let wall = Instant::now();
        state.anchor_ms = state.at(self.inner.scale, wall);
        state.anchored = wall;
    }

    /// Lets `ms` network milliseconds pass at once, up to the limit. Meant for manual clocks.
    pub fn advance(&self, ms: u64) {
        self.advance_to(self.now_ms().saturating_add(ms));
    }

    /// Lets time pass at once until `network_ms`, up to the limit; time never goes back.
    pub fn advance_to(&self, network_ms: u64) {
        {
            let mut state = self.state();
            self.rebase(&mut state);
            let target = state.limit_ms.map_or(network_ms, |limit| network_ms.min(limit));
            state.anchor_ms = state.anchor_ms.max(target);
        }
        self.inner.changed.send_replace(());
    }

    /// Wall time until `network_ms`, if no limit stops the clock before; `None` when only a change can bring it there.
    #[must_use]
    pub fn wall_until(&self, network_ms: u64) -> Option<Duration> {
        let now = self.now_ms();
        if now >= network_ms {
            return Some(Duration::ZERO);
        }
        if self.inner.scale == 0 || self.limit_ms().is_some_and(|limit| limit < network_ms) {
            return None;
        }
        let micros = u128::from(network_ms - now) * 1_000 / u128::from(self.inner.scale) + 1;
        Some(Duration::from_micros(u64::try_from(micros).unwrap_or(u64::MAX)))
    }

    /// Waits until the clock shows `network_ms`. Safe to cancel.
    pub async fn sleep_until(&self, network_ms: u64) {
        let mut changed = self.inner.changed.subscribe();
        loop {
            changed.mark_unchanged();
            match self.wall_until(network_ms) {
                Some(Duration::ZERO) => return,
                Some(wait) => {
                    tokio::select! {
                        () = tokio::time::sleep(wait) => {}
                        _ = changed.changed() => {}
                    }
                }
                // The sender lives as long as `self`, so this cannot fail before the clock is gone.
                None => drop(changed.changed().await),
            }
        }
    }

    /// Waits for `ms` network milliseconds.
    pub async fn sleep(&self, ms: u64) {
        self.sleep_until(self.now_ms().saturating_add(ms)).await;
    }
}

impl fmt::Debug for NetworkClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NetworkClock")
            .field("now_ms", &self.now_ms())
            .field("scale", &self.inner.scale)
            .field("limit_ms", &self.limit_ms())
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;

    use super::*;

    #[tokio::test]
    async fn a_manual_clock_wakes_sleepers_when_it_is_advanced() {
        let clock = NetworkClock::manual(1_000);
        let sleeper = tokio::spawn({
            let clock = clock.clone();
            async move {
                clock.sleep_until(5_000).await;
                clock.now_ms()
            }
        });
        tokio::task::yield_now().await;
        clock.advance(3_999);
        assert!(clock.sleep_until(5_000).now_or_never().is_none());
        clock.advance(1);
        assert_eq!(sleeper.await.unwrap(), 5_000);
    }

    #[tokio::test]
    async fn the_limit_holds_time_and_raising_it_does_not_jump() {
        let clock = NetworkClock::manual(0).with_limit(100);
        clock.advance(250);
        assert_eq!(clock.now_ms(), 100);
        clock.raise_limit(200);
        assert_eq!(clock.now_ms(), 100, "time spent at the limit does not count");
        clock.raise_limit(150);
        assert_eq!(clock.limit_ms(), Some(200), "a limit is never lowered");
        clock.advance(70);
        assert_eq!(clock.now_ms(), 170);
        clock.release();
        clock.advance(1_000);
        assert_eq!(clock.now_ms(), 1_170);
    }

    #[tokio::test]
    async fn a_running_clock_never_passes_its_limit() {
        let clock = NetworkClock::running(0, 1_000_000).with_limit(10);
        while clock.now_ms() < 10 {
            tokio::task::yield_now().await;
        }
        assert_eq!(clock.now_ms(), 10);
        assert!(clock.wall_until(11).is_none());
        clock.raise_limit(20);
        clock.sleep_until(20).await;
        assert_eq!(clock.now_ms(), 20);
    }

    #[test]
    fn time_never_goes_back() {
        let clock = NetworkClock::manual(50);
        clock.advance_to(20);
        assert_eq!(clock.now_ms(), 50);
    }
}
