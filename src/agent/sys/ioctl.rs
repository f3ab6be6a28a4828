//! The requests to block devices and watchdogs that no crate wraps safely.
#![expect(unsafe_code, reason = "system calls that Linux has no safe form of")]

use std::ffi::{c_char, c_int, c_longlong};
use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;

mod raw {
    // <linux/fs.h>: BLKZEROOUT _IO(0x12, 127), argument uint64_t[2] of start and length in bytes.
    nix::ioctl_write_ptr_bad!(zero_out, nix::request_code_none!(0x12, 127), [u64; 2]);
    // <linux/blkpg.h>: BLKPG _IO(0x12, 105), argument struct blkpg_ioctl_arg.
    nix::ioctl_write_ptr_bad!(blkpg, nix::request_code_none!(0x12, 105), super::BlkpgArgument);
    // <linux/fs.h>: BLKROSET _IO(0x12, 93) and BLKROGET _IO(0x12, 94), argument int.
    nix::ioctl_write_ptr_bad!(set_read_only, nix::request_code_none!(0x12, 93), super::c_int);
    nix::ioctl_read_bad!(is_read_only, nix::request_code_none!(0x12, 94), super::c_int);
    // <linux/watchdog.h>: WDIOC_SETTIMEOUT _IOWR('W', 6, int), argument in seconds; filled with what is set.
    nix::ioctl_readwrite!(set_timeout, b'W', 6, super::c_int);
}

/// Makes `len` bytes at `start` of a block device read as zeroes, never by a discard (BLKZEROOUT sets
/// BLKDEV_ZERO_NOUNMAP, which the driver of MMC cards does not heed). Both are multiples of the logical sector.
pub(super) fn zero_out(device: &File, start: u64, len: u64) -> io::Result<()> {
    // SAFETY: the descriptor is open for the call, and the kernel only reads the two numbers.
    unsafe { raw::zero_out(device.as_raw_fd(), &[start, len]) }?;
    Ok(())
}

/// Sets a block device, which may be a partition, read-only or writable until the next boot (BLKROSET); nothing is
/// written.
pub(super) fn set_read_only(device: &File, read_only: bool) -> io::Result<()> {
    // SAFETY: the descriptor is open for the call, and the kernel only reads the one number.
    unsafe { raw::set_read_only(device.as_raw_fd(), &c_int::from(read_only)) }?;
    Ok(())
}

/// Whether a block device is read-only, or its disk (BLKROGET); not, where that cannot be asked.
pub(super) fn is_read_only(device: &File) -> bool {
    let mut read_only = 0;
    // SAFETY: the descriptor is open for the call, and the kernel fills the one number.
    unsafe { raw::is_read_only(device.as_raw_fd(), &raw mut read_only) }.is_ok() && read_only != 0
}

/// `struct blkpg_ioctl_arg`.
#[repr(C)]
struct BlkpgArgument {
    op: c_int,
    flags: c_int,
    datalen: c_int,
    data: *mut BlkpgPartition,
}

/// `struct blkpg_partition`; bytes, and a number from 1 on. The names are not used by the kernel any more.
#[repr(C)]
struct BlkpgPartition {
    start: c_longlong,
    length: c_longlong,
    number: c_int,
    device_name: [c_char; 64],
    volume_name: [c_char; 64],
}

/// Makes a partition known to the kernel until the next boot (BLKPG_ADD_PARTITION); nothing is written.
pub(super) fn add_partition(disk: &File, number: u32, start: u64, len: u64) -> io::Result<()> {
    const ADD_PARTITION: c_int = 1;
    let too_large = |_| io::Error::from(io::ErrorKind::InvalidInput);
    let mut partition = BlkpgPartition {
        start: start.try_into().map_err(too_large)?,
        length: len.try_into().map_err(too_large)?,
        number: number.try_into().map_err(too_large)?,
        device_name: [0; 64],
        volume_name: [0; 64],
    };
    let datalen = size_of::<BlkpgPartition>() as c_int;
    let argument = BlkpgArgument { op: ADD_PARTITION, flags: 0, datalen, data: &raw mut partition };
    // SAFETY: the argument and the partition that it points to are laid out as the kernel's structures, and
    // live until the call returns.
    unsafe { raw::blkpg(disk.as_raw_fd(), &raw const argument) }?;
    Ok(())
}

/// Sets the timeout of a watchdog to so many seconds; one that is set to fewer is an error.
pub(super) fn set_watchdog_timeout(device: &File, seconds: c_int) -> io::Result<()> {
    let mut set = seconds;
    // SAFETY: the descriptor is open for the call, and the kernel reads and fills the one number.
    unsafe { raw::set_timeout(device.as_raw_fd(), &raw mut set) }?;
    if set < seconds { Err(nix::errno::Errno::EINVAL.into()) } else { Ok(()) }
}
