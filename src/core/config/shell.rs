//! Who may use the recovery shell.

use super::{Config, Lock};
use crate::password::Hash;
use alloc::borrow::ToOwned;
use alloc::string::String;

/// The key `shell`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ShellAccess {
    /// Whoever sits at the console.
    Open,
    /// Nobody.
    Closed,
    /// Who knows the password.
    Password(Hash),
}

impl ShellAccess {
    /// Reads the value. The error does not repeat it: it may be somebody's password.
    pub(super) fn parse(value: &str) -> Result<Self, String> {
        match value {
            "open" => Ok(Self::Open),
            "none" => Ok(Self::Closed),
            hash => Hash::parse(hash).map(Self::Password).ok_or_else(|| {
                "expected open, none, or a password hash that begins with $5$ (`openssl passwd -5`), \
                 found something else"
                    .to_owned()
            }),
        }
    }
}

impl Config {
    /// Who may use the shell: with `lock` nobody, unless there is a password.
    pub fn shell(&self) -> &ShellAccess {
        match &self.shell {
            ShellAccess::Open if self.lock.is_on() => &ShellAccess::Closed,
            shell => shell,
        }
    }

    /// Of a line that is wrong: what it may have closed is closed. Whether it was such a line.
    pub(super) fn close(&mut self, key: &str) -> bool {
        match key {
            "lock" => self.lock = self.lock.max(Lock::Yes),
            "shell" => self.shell = ShellAccess::Closed,
            "insecure" => self.insecure = false,
            _ => return false,
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HASH: &str = "$5$abcdefgh$vl6a2mAodUYEe3Mhai26AyjORet86eVRC5bBAu6c/n9";

    fn read(lines: &str) -> ShellAccess {
        Config::parse(&format!("compatible = x\n{lines}")).unwrap().shell().clone()
    }

    #[test]
    fn the_shell_is_open_closed_or_asks_for_a_password() {
        let with_password = ShellAccess::Password(Hash::parse(HASH).unwrap());
        assert_eq!(read(""), ShellAccess::Open);
        assert_eq!(read("shell = none"), ShellAccess::Closed);
        assert_eq!(read(&format!("shell = {HASH}")), with_password);
        assert_eq!(read("lock = yes"), ShellAccess::Closed);
        assert_eq!(read("lock = yes\nshell = open"), ShellAccess::Closed);
        assert_eq!(read(&format!("shell = {HASH}\nlock = yes")), with_password);
    }

    #[test]
    fn a_password_is_not_repeated() {
        let error = Config::parse("compatible = x\nshell = hunter2").unwrap_err().to_string();
        assert!(error.contains("line 2: expected open, none, or a password hash"), "{error}");
        assert!(!error.contains("hunter2"), "{error}");
    }

    #[test]
    fn a_mistake_elsewhere_opens_nothing() {
        let closed = |text: &str| *Config::read(text).shell() == ShellAccess::Closed;
        assert!(closed("tires = 3\nlock = yes"));
        assert!(closed("tires = 3\nlock = maybe"));
        assert!(closed("tires = 3\nshell = none") && closed("shell = hunter2") && closed("shell="));
        assert!(!closed("tires = 3") && !closed("lock = no\nshell"));
        assert!(closed("lock = yes\nlock = no") && closed("shell = none\nshell = open"));
        assert_eq!(Config::read("lock = yes\n?").lock, Lock::Yes);
        assert_eq!(Config::read("lock = strict\nlock = no").lock, Lock::Strict);
        assert!(
            !Config::read("insecure = yes\ninsecure = no").insecure && !Config::read("insecure=1").insecure
        );
        assert!(matches!(Config::read(&format!("?\nshell = {HASH}")).shell(), ShellAccess::Password(_)));
    }
}
