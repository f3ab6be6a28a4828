//! The block device and terminal requests that no crate wraps safely.
#![allow(unsafe_code)]

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;

mod raw {
    // <linux/fs.h>: BLKZEROOUT _IO(0x12, 127), argument uint64_t[2] of start and length in bytes.
    nix::ioctl_write_ptr_bad!(zero_out, nix::request_code_none!(0x12, 127), [u64; 2]);
    // <asm-generic/ioctls.h>
    nix::ioctl_read_bad!(window_size, nix::libc::TIOCGWINSZ, nix::libc::winsize);
}

/// Makes `len` bytes at `start` of a block device read as zeroes, never by a discard (BLKZEROOUT sets
/// BLKDEV_ZERO_NOUNMAP). Both are multiples of the logical sector.
pub(super) fn zero_out(device: &File, start: u64, len: u64) -> io::Result<()> {
    // SAFETY: the descriptor is open for the call, and the kernel only reads the two numbers.
    unsafe { raw::zero_out(device.as_raw_fd(), &[start, len]) }?;
    Ok(())
}

/// Columns of the terminal behind `fd`; `None` when it is none.
pub(super) fn columns(fd: &impl AsRawFd) -> Option<u16> {
    let mut size = nix::libc::winsize { ws_row: 0, ws_col: 0, ws_xpixel: 0, ws_ypixel: 0 };
    // SAFETY: `size` is a valid winsize for the kernel to fill, alive for the call.
    unsafe { raw::window_size(fd.as_raw_fd(), &raw mut size) }.ok()?;
    Some(size.ws_col)
}
