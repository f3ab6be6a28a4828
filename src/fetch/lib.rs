//! The command line of everboot-fetch, of which its manual is made, too.

pub mod arguments;
