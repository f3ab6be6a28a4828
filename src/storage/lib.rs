//! How everboot reads and writes durable data.
//!
//! A [`medium`] is a partition or a file that may fail, and forget what no barrier covered. [`store`] saves the boot
//! record, [`bundle`] reads an image, checks who signed it, and gives its blocks; [`apply`] makes a slot equal to it,
//! with the threads of [`worker_pool`]. Linux is not known here.

pub mod apply;
pub mod bundle;
pub mod medium;
pub mod store;
pub mod worker_pool;
