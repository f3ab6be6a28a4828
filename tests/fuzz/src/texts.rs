//! What a machine's owner writes.

use super::heap::within;
use everboot_core::config::{Config, KernelCommandLine, LONGEST};

/// The kernel command line: nothing keeps a machine down.
pub fn cmdline(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let (found, warnings) = within(4096 + 1024 * text.len(), || KernelCommandLine::parse(&text));
    assert!(found.timeout.is_none_or(|seconds| (1..=3600).contains(&seconds)));
    assert!(found.init.is_none_or(|init| init.starts_with('/')));
    assert!(warnings.iter().all(|line| !line.contains('\n')), "{warnings:?}");
}

/// The configuration, and what is gone by when it has a mistake.
pub fn config(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let justified = (64 << 10) + 64 * text.len();
    let fallback = within(justified, || Config::fallback(&text));
    match within(justified, || Config::parse(&text)) {
        Ok(config) => {
            assert!(text.len() <= LONGEST && !config.compatible.is_empty() && config.slots.len() >= 2);
            assert!(
                [config.tries, config.handoffs, config.apply_starts, config.apply_starts_in_all]
                    .iter()
                    .all(|count| (1..=100).contains(count))
            );
            // A mistake elsewhere would open nothing.
            assert_eq!((config.lock, config.shell()), (fallback.lock, fallback.shell()));
        }
        Err(error) => assert!(!error.to_string().contains('\n'), "{error}"),
    }
}
