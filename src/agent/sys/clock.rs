//! The clocks, for reports, the history and bounded waits only.

use everboot_core::wall_clock::WallClock;
use nix::time::{ClockId, clock_gettime};

/// Milliseconds since the kernel started, suspended time included (CLOCK_BOOTTIME).
pub fn uptime_ms() -> u64 {
    milliseconds(ClockId::CLOCK_BOOTTIME)
}

/// Milliseconds of a clock that only goes forward (CLOCK_MONOTONIC).
pub fn monotonic_ms() -> u64 {
    milliseconds(ClockId::CLOCK_MONOTONIC)
}

/// What the wall clock shows (CLOCK_REALTIME). A time before 1970 is read as 1970, which does not count as set.
pub(super) fn wall_clock() -> WallClock {
    let now = clock_gettime(ClockId::CLOCK_REALTIME);
    WallClock::showing(now.map_or(0, |now| u64::try_from(now.tv_sec()).unwrap_or(0)))
}

/// Every kernel has both clocks; 0 is for the type.
fn milliseconds(clock: ClockId) -> u64 {
    clock_gettime(clock).map_or(0, |now| {
        let (seconds, fraction) = (now.tv_sec().unsigned_abs(), now.tv_nsec().unsigned_abs());
        seconds.saturating_mul(1000).saturating_add(fraction / 1_000_000)
    })
}
