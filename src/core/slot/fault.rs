//! Why the root of a slot cannot be entered.

use core::fmt;

/// What is wrong with a root.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RootFault {
    /// The device is not there, or answers with I/O errors: says nothing about the image.
    Device,
    /// The device reads, and holds no file system that can be mounted.
    NotMountable,
    /// The file system has no init that can be run.
    NoInit,
    /// The trailer does not name the image that the record names, or no trusted key has signed that image and the
    /// machine boots none without a signature.
    Unproven,
}

impl fmt::Display for RootFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Device => "its device failed",
            Self::NotMountable => "its root could not be mounted",
            Self::NoInit => "no init in its root",
            Self::Unproven => "it is not proven",
        })
    }
}
