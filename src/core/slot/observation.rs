//! What a look at the machine says of a slot.

use super::RootFault;

/// What this boot, or the running system, has seen of a slot so far. The boot enters what is [`Present`](Self::Present)
/// and, when no other good slot and no trial is, what is [`OtherKernel`](Self::OtherKernel); verbs ask the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SlotObservation {
    /// Its partitions are there, and its trailer names the image that the record names.
    Present,
    /// The same, but its image has no modules for the kernel that runs.
    OtherKernel,
    /// One of its partitions is not there.
    Missing,
    /// Its trailer cannot be read: nothing is known of what is in it.
    Unread,
    /// Its trailer says that it may not be entered, or entering it failed in this boot.
    Failed(RootFault),
}

impl SlotObservation {
    /// Whether the boot would enter it, were its state one that boots.
    pub fn can_enter(self) -> bool {
        matches!(self, Self::Present | Self::OtherKernel)
    }

    /// Whether it may be entered at another time, as things are: a device that is not there or does not answer today
    /// may do so tomorrow.
    pub fn may_come(self) -> bool {
        self.can_enter() || matches!(self, Self::Missing | Self::Unread | Self::Failed(RootFault::Device))
    }

    /// Whether it was not entered in this boot and could be, asked for no trailer: when nothing else is left.
    pub fn is_untried(self) -> bool {
        self.can_write() || self == Self::Unread
    }

    /// Whether it stays behind others: for what is in it, and not for a device that may answer again.
    pub fn is_broken(self) -> bool {
        let by_image =
            matches!(self, Self::Failed(RootFault::NotMountable | RootFault::NoInit | RootFault::Unproven));
        by_image || self == Self::OtherKernel
    }

    /// Whether it can be written: a trailer that names no image is written anew.
    pub fn can_write(self) -> bool {
        self.can_enter() || self == Self::Failed(RootFault::Unproven)
    }
}
