//! Standard output and standard error of this program.
//!
//! In an initramfs they are the console, and a console may take no output for ever: a serial line with flow control and
//! nobody at its other end, a virtual one that nobody reads. No boot, apply or countdown waits for it: after a short
//! while what does not fit is dropped, and from then on it is not waited for at all until it takes something again.
//! (What the kernel itself prints is the kernel's.) Elsewhere output waits for its reader, as that of any program.

use super::clock;
use rustix::fs::{CWD, Mode, OFlags, openat};
use rustix::io::Errno;
use std::fs::File;
use std::io::{self, Write, stderr, stdout};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Milliseconds that a console may take nothing. At 9600 baud a full buffer of the kernel is emptied in that time.
const PATIENCE: u64 = 5000;
/// Milliseconds between two tries.
const EVERY: u64 = 10;

/// Whether output is dropped that is not taken.
static DROPS: AtomicBool = AtomicBool::new(false);
/// Whether some was dropped, and nothing was taken since.
static IS_STUCK: AtomicBool = AtomicBool::new(false);

/// Where output goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Output {
    /// Standard output.
    Answer = 1,
    /// Standard error.
    Message = 2,
}

/// From now on output waits for nobody for long.
pub fn never_wait_for_output() {
    DROPS.store(true, Ordering::Relaxed);
}

/// Writes all of the text, or, where output waits for nobody, what is taken of it.
pub fn print(to: Output, text: &str) -> io::Result<()> {
    if DROPS.load(Ordering::Relaxed) {
        // The descriptor itself stays as it is: others have it, too, and the init of the booted system will.
        let flags = OFlags::WRONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        let path = ["/proc/self/fd/1", "/proc/self/fd/2"][to as usize - 1];
        let out = File::from(openat(CWD, path, flags, Mode::empty())?);
        let patience = if IS_STUCK.load(Ordering::Relaxed) { 0 } else { PATIENCE };
        IS_STUCK.store(!offer(&out, text.as_bytes(), patience), Ordering::Relaxed);
        return Ok(());
    }
    let bytes = text.as_bytes();
    match to {
        Output::Answer => {
            let mut out = stdout().lock();
            out.write_all(bytes).and_then(|()| out.flush())
        }
        Output::Message => stderr().write_all(bytes),
    }
}

/// Writes what is taken, until nothing was for so many milliseconds. Whether all was taken, or nobody is there any
/// more.
fn offer(out: &File, mut bytes: &[u8], patience: u64) -> bool {
    let mut taken_at = clock::monotonic_ms();
    while !bytes.is_empty() {
        match rustix::io::write(out, bytes) {
            Ok(count) => {
                bytes = &bytes[count..];
                taken_at = clock::monotonic_ms();
            }
            Err(Errno::AGAIN) if clock::monotonic_ms() - taken_at < patience => {
                std::thread::sleep(Duration::from_millis(EVERY));
            }
            Err(Errno::AGAIN) => return false,
            Err(Errno::INTR) => {}
            Err(_) => return true,
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::fs::fcntl_setfl;
    use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
    use std::io::Read;
    use std::os::fd::OwnedFd;

    /// More than any buffer of the kernel holds.
    static LONG: [u8; 1 << 20] = [b'x'; 1 << 20];

    /// Both ends of a pipe; neither waits.
    fn pipe() -> (File, File) {
        let (reader, writer) = io::pipe().unwrap();
        let ends = [OwnedFd::from(reader), OwnedFd::from(writer)];
        ends.iter().for_each(|end| fcntl_setfl(end, OFlags::NONBLOCK).unwrap());
        let [reader, writer] = ends.map(File::from);
        (reader, writer)
    }

    #[test]
    fn a_terminal_that_nobody_reads_is_not_waited_for_long() {
        let reader = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&reader).unwrap();
        unlockpt(&reader).unwrap();
        let name = ptsname(&reader, Vec::new()).unwrap();
        let flags = OFlags::WRONLY | OFlags::NONBLOCK | OFlags::NOCTTY;
        let terminal = File::from(openat(CWD, &name, flags, Mode::empty()).unwrap());
        let begin = clock::monotonic_ms();
        assert!(!offer(&terminal, &LONG, 100));
        assert!(!offer(&terminal, &LONG, 0));
        assert!((100..5000).contains(&(clock::monotonic_ms() - begin)));
    }

    #[test]
    fn a_pipe_that_is_read_again_gets_what_comes_next() {
        let (mut reader, writer) = pipe();
        assert!(!offer(&writer, &LONG, 0));
        let mut read = Vec::new();
        assert_eq!(reader.read_to_end(&mut read).unwrap_err().kind(), io::ErrorKind::WouldBlock);
        assert!(offer(&writer, b"next", 0));
        read.clear();
        let _ = reader.read_to_end(&mut read);
        assert_eq!(read, b"next");
    }

    #[test]
    fn a_slow_reader_gets_all_of_it() {
        let (mut reader, writer) = pipe();
        let slow = std::thread::spawn(move || {
            let (mut count, mut some) = (0, [0; 8192]);
            while count < LONG.len() {
                std::thread::sleep(Duration::from_millis(1));
                count += reader.read(&mut some).unwrap_or(0);
            }
        });
        assert!(offer(&writer, &LONG, 5000));
        slow.join().unwrap();
    }

    #[test]
    fn a_console_that_is_gone_is_not_waited_for() {
        let (reader, writer) = pipe();
        drop(reader);
        assert!(offer(&writer, &LONG, 5000));
    }
}
