#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| everboot_fuzz::cmdline(data));
