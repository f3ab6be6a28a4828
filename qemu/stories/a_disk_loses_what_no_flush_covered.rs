//! Two updates are recorded under a block log. Whatever a power cut leaves of their writes, the agent boots it and
//! keeps every promise; a sample of it is booted by the real kernel.

use everboot_blocklog::Options;

#[test]
fn every_crash_image_of_two_recorded_updates_comes_up_and_keeps_every_promise() {
    // A busy machine may take its time; what a run has to reach are the numbers.
    let options = Options { seconds: 1800, ..Options::default() };
    let report = everboot_blocklog::run(&options, &|_, _| ()).unwrap();
    assert!(report.is_good(), "{report}");
    let counts = &report.counts;
    assert!(counts.images >= 4000 && counts.boots >= 40, "{report}");
    assert!(counts.needed > 0 && counts.exhaustive > 0, "{report}");
}
