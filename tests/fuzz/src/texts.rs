//! What a machine's owner writes.

use super::heap::within;
use everboot_core::config::{Config, KernelCommandLine, LONGEST};
use everboot_core::slot::MAX_SLOTS;

/// The kernel command line: nothing keeps a machine down.
pub fn cmdline(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let (found, warnings) = within(4096 + 1024 * text.len(), || KernelCommandLine::parse(&text));
    assert!(found.timeout.is_none_or(|seconds| (1..=3600).contains(&seconds)));
    assert!(found.init.is_none_or(|init| init.starts_with('/')));
    assert!(warnings.iter().all(|line| !line.contains('\n')), "{warnings:?}");
}

/// The configuration, and what early boot makes of it when it has a mistake.
pub fn config(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let justified = (64 << 10) + 64 * text.len();
    let read = within(justified, || Config::read(&text));
    assert!(!read.slots.is_empty() && read.slots.len() <= MAX_SLOTS);
    match within(justified, || Config::parse(&text)) {
        Ok(config) => {
            assert!(text.len() <= LONGEST && !config.compatible.is_empty() && config.slots.len() >= 2);
            assert!(
                [config.tries, config.handoffs, config.apply_starts, config.apply_starts_in_all]
                    .iter()
                    .all(|count| (1..=100).contains(count))
            );
            assert_eq!(config, read);
        }
        Err(error) => {
            assert!(read.faults.iter().all(|fault| !fault.to_string().contains('\n')), "{:?}", read.faults);
            assert_eq!(read.faults.first(), Some(&error));
        }
    }
}
