//! Stories: the real thing in QEMU, from the disk image that a machine starts with to the one
//! that it leaves. One file, one story.

mod an_apply;
mod common;

mod a_disk_loses_what_no_flush_covered;
mod a_new_system_hangs;
mod a_new_system_has_no_init;
mod a_new_system_is_reset;
mod a_new_system_panics;
mod a_package_is_all_it_takes;
mod a_person_at_the_console;
mod a_root_is_corrupt;
mod a_slot_is_asked_for;
mod a_staged_bundle_is_corrupt;
mod a_watchdog_in_hardware;
mod a_watchdog_that_nobody_stops;
mod an_older_everboot_in_the_slot;
mod an_update_in_the_running_system;
mod an_update_over_the_network;
mod in_a_distributions_initramfs;
mod modules_are_missing;
mod power_is_cut_in_an_apply;
mod testbed_boots_debian;
mod testbed_cuts_power;
mod the_clock_is_wrong;
mod the_demo;
mod the_disk_fails_in_an_apply;
mod the_disk_hangs_in_an_apply;
mod the_disk_is_pulled_out_in_an_apply;
mod the_record_is_destroyed;
mod the_staging_area_fails;
mod upgrade_and_confirm;
