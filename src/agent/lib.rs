//! The early-boot agent. [`flow`] ties observe, decide, persist, act and hand-off together, for the boot and for
//! every verb; [`machine`] is what it needs of a machine ([`table_fault`] is a part of that), and [`sys`] gives it
//! that on Linux and on a disk image in a file. `command` is the command line, `prompt` the shell on the console,
//! [`recovery`] what happens when nothing boots, and [`program`] what a process does from its first line to its last;
//! [`runtime`] is what all of these work with. [`settings`] reads what the owner says of the machine.

#[cfg(feature = "prompt")]
pub mod command;
pub mod flow;
pub mod machine;
pub mod program;
#[cfg(feature = "prompt")]
pub mod prompt;
pub mod recovery;
pub mod runtime;
pub mod settings;
pub mod sys;
pub mod table_fault;
