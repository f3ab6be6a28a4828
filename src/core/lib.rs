//! What everboot decides, and how its data looks. Pure: no I/O, no clock, no log, no environment; the compiler checks
//! it (`no_std`).
//!
//! [`slot`], [`record`], [`manifest`] and [`config`] are what is read; [`decide`] chooses what to boot and
//! [`lifecycle`] is what each verb does to the record; [`tree`] checks blocks; [`verbs`] is the command line as a
//! table.
//!
//! The words that code, messages and manual use, as in `src/DESIGN.md`:
//!
//! | word | meaning |
//! |---|---|
//! | slot | a place for one whole system that can be booted; has a name |
//! | part | what a slot is made of: `root`, and whatever else has a place of its own. Configuration and bundles know `root` alone today |
//! | partition | a partition of the disk, as the partition table has it |
//! | booted slot | the slot whose system runs now |
//! | default slot | the slot that is booted when nothing else is due |
//! | candidate | a slot that holds a new image and is not confirmed yet |
//! | recovery | what the boot does when no slot can be booted: say so, wait, look again; also the system in the partition `recovery` |
//! | image | the contents of one version: for each part a sequence of blocks of 4096 bytes |
//! | image id | what names an image: SHA-256 over the names and root hashes of its parts |
//! | bundle | the file that brings an image: manifest, signature, tree, packed blocks |
//! | manifest | the signed description of an image: machine type, version, parts with their root hashes, rules |
//! | tree | the hash tree over the blocks of an image, as dm-verity lays it out |
//! | root hash | the hash at the top of the tree over a part |
//! | trailer | the last 64 KiB of a slot's root part: manifest, signature, confirmed mark |
//! | seal | write the trailer, which says that everything before it is complete and durable |
//! | record | what everboot knows of slots and updates, and decides by |
//! | copy | one of the two blocks that hold the record |
//! | generation | the number of a copy; one more with each save |
//! | stage | check a bundle and bring it onto the machine |
//! | prepare | write the staged image to a slot and prove it, in the running system |
//! | activate | make what is staged or prepared due at the next boot |
//! | apply | write the staged image to its slot; usually in early boot |
//! | install | stage, prepare and activate in one |
//! | trial | the state of a slot that is to be booted until it is confirmed or its attempts are used up |
//! | attempt | one boot of a trial. It takes a try and a hand-off from the counters |
//! | arrive | what a system has done when it reaches its default target. everboot does not look at it yet |
//! | confirm | say that the running system is good |
//! | reject | make a slot unbootable, and remember its image as bad |
//! | rollback | return to a good slot: by the operator's verb, or by the machine when a trial ends badly |
//! | observation | what a boot has seen so far of slots, record and requests |
//! | decision | the outcome of the pure function: target, reason, next record |
//! | target | where a boot goes: a slot, an apply, the recovery slot, recovery |
//! | reason | why it goes there; `why` and `explain` print it |
//! | persist | save the next record so that a power cut does not lose it |
//! | hand-off | leave the initramfs and run the init of the chosen root |
//! | barrier | a flush of the disk: what was written before it is durable when it has completed |
//! | torn write | a write of which a power cut left only a part |
//! | evidence | what speaks for or against an image, such as a root that cannot be mounted |

// A planted bug is one of a thread, and tests are programs.
#![cfg_attr(not(any(test, feature = "mutants")), no_std)]

extern crate alloc;

#[cfg(feature = "channel")]
pub mod channel;
pub mod config;
pub mod decide;
pub mod format_versions;
pub mod lifecycle;
pub mod manifest;
mod multi_buffer;
pub mod mutant;
pub mod password;
pub mod quoted;
pub mod record;
pub mod slot;
pub mod tree;
pub mod verbs;
pub mod wall_clock;
