//! What the kernel command line asks of everboot (kernel-parameters in the kernel's documentation).
//!
//! Words are separated as the kernel does it (`next_arg` in lib/cmdline.c): white space ends a word except
//! between double quotes, which may begin anywhere in it; a quote around the whole word or around the whole
//! value is taken away. Of a parameter that stands several times the last one counts. What cannot be used is a
//! warning: a wrong parameter never keeps a machine down.

use super::file::number;
use super::keys::{PARAMETERS, names};
use super::line::shown;
use crate::slot::SlotName;
use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

const NAMES: [&str; PARAMETERS.len()] = names(&PARAMETERS);

/// Where this boot is asked to go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BootRequest {
    /// `everboot.slot=NAME`: to that slot.
    Slot(SlotName),
    /// `everboot.recovery`: to the recovery slot, or to the shell where there is none.
    Recovery,
    /// `everboot.recovery=shell`: to the shell.
    Shell,
}

/// `everboot.break=POINT`: a shell is opened before that step of the boot, which then goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Breakpoint {
    /// The devices are there; nothing was read of them.
    Observe,
    /// The record was read; nothing was decided.
    Decide,
    /// A staged image is about to be written.
    Apply,
    /// The root is mounted; nothing was handed off.
    Handoff,
}

impl Breakpoint {
    /// All of them, with their names, in the order of the boot.
    pub const ALL: [(&str, Self); 4] = [
        ("observe", Self::Observe),
        ("decide", Self::Decide),
        ("apply", Self::Apply),
        ("handoff", Self::Handoff),
    ];
}

/// What was asked.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KernelCommandLine {
    /// Where this boot goes; the last such parameter counts.
    pub asked: Option<BootRequest>,
    /// Where it stops for a while; several are separated by commas.
    pub breakpoints: Vec<Breakpoint>,
    /// `everboot.timeout=SECONDS`: how long the devices are waited for, 1 to 3600.
    pub timeout: Option<u32>,
    /// `init=PATH`: the program to be run in the root instead of its usual init; absolute.
    pub init: Option<String>,
}

impl KernelCommandLine {
    /// Reads `/proc/cmdline`. Also returns what could not be used and why, one line each.
    pub fn parse(text: &str) -> (Self, Vec<String>) {
        let mut found = Self::default();
        let mut warnings = Vec::new();
        for (key, value) in words(text.trim_matches('\0')) {
            // What follows a bare `--` is for init.
            if key == "--" && value.is_none() {
                break;
            }
            if let Err(why) = found.set(&key, value.as_deref()) {
                warnings.push(format!("kernel command line, {}: {why}; ignored", shown(&key)));
            }
        }
        (found, warnings)
    }

    fn set(&mut self, key: &str, value: Option<&str>) -> Result<(), String> {
        let given = value.unwrap_or("");
        match key {
            "everboot.slot" => {
                self.asked =
                    Some(BootRequest::Slot(SlotName::new(given).map_err(|error| error.to_string())?));
            }
            "everboot.recovery" => self.asked = Some(recovery(given)?),
            "everboot.break" => self.breakpoints = breakpoints(given)?,
            "everboot.timeout" => self.timeout = Some(number(given, 1..=3600)?),
            "init" if given.starts_with('/') => self.init = Some(given.to_owned()),
            "init" => return Err(format!("expected an absolute path, found {}", shown(given))),
            other if other.starts_with("everboot.") => {
                return Err(format!("expected one of {}", NAMES.join(", ")));
            }
            _ => {}
        }
        Ok(())
    }
}

/// The parameters of a kernel module: of the words `MODULE.PARAMETER` and `MODULE.PARAMETER=VALUE` what stands behind
/// the dot, as finit_module(2) takes it. In the name of a module `-` and `_` are the same.
pub fn module_parameters(text: &str, module: &str) -> String {
    let module = module.replace('-', "_");
    let mut found = String::new();
    for (key, value) in words(text.trim_matches('\0')) {
        if key == "--" && value.is_none() {
            break;
        }
        let Some((_, parameter)) = key.split_once('.').filter(|(name, _)| name.replace('-', "_") == module)
        else {
            continue;
        };
        if !found.is_empty() {
            found.push(' ');
        }
        found.push_str(parameter);
        if let Some(value) = value {
            let quote = if value.contains(char::is_whitespace) { "\"" } else { "" };
            found.push_str(&["=", quote, &value, quote].concat());
        }
    }
    found
}

fn recovery(given: &str) -> Result<BootRequest, String> {
    match given {
        "" => Ok(BootRequest::Recovery),
        "shell" => Ok(BootRequest::Shell),
        _ => Err(format!("expected nothing or shell, found {}", shown(given))),
    }
}

fn breakpoints(given: &str) -> Result<Vec<Breakpoint>, String> {
    let named = |name: &str| {
        let found = Breakpoint::ALL.iter().find(|(known, _)| *known == name).map(|(_, point)| *point);
        found.ok_or_else(|| format!("expected observe, decide, apply or handoff, found {}", shown(name)))
    };
    given.split(',').map(named).collect()
}

/// Keys with their values, quotes taken away.
fn words(text: &str) -> Vec<(String, Option<String>)> {
    let mut quoted = false;
    let ends = move |c: char| {
        quoted ^= c == '"';
        c.is_ascii_whitespace() && !quoted
    };
    text.split(ends).filter(|word| !word.is_empty()).map(key_and_value).collect()
}

fn key_and_value(word: &str) -> (String, Option<String>) {
    // A quote at the beginning is around the whole word, so it ends with it.
    let word = word.strip_prefix('"').map_or(word, |inner| inner.strip_suffix('"').unwrap_or(inner));
    let Some((key, value)) = word.split_once('=') else { return (word.to_owned(), None) };
    let value = value.strip_prefix('"').map_or(value, |inner| inner.strip_suffix('"').unwrap_or(inner));
    (key.to_owned(), Some(value.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, slot: Option<&str>, timeout: Option<u32>, init: Option<&str>, warnings: usize) {
        let (found, warned) = KernelCommandLine::parse(text);
        let named = match &found.asked {
            Some(BootRequest::Slot(name)) => Some(name.as_str()),
            _ => None,
        };
        let got = (named, found.timeout, found.init.as_deref());
        assert_eq!(got, (slot, timeout, init), "{text}");
        assert_eq!(warned.len(), warnings, "{text}: {warned:?}");
    }

    #[test]
    fn parameters_are_read_as_the_kernel_does() {
        check("", None, None, None, 0);
        check("ro quiet root=/dev/vda2 rd.break\n", None, None, None, 0);
        check(
            "everboot.slot=slot-b everboot.timeout=5 init=/bin/sh",
            Some("slot-b"),
            Some(5),
            Some("/bin/sh"),
            0,
        );
        check("everboot.slot=a\teverboot.slot=b\n", Some("b"), None, None, 0);
        check("\"init=/my init\" everboot.slot=\"a\"", Some("a"), None, Some("/my init"), 0);
        check("init=\"/my init\" x=\"everboot.slot=a b\"", None, None, Some("/my init"), 0);
        check("dyndbg=\"file x +p ; everboot.slot=a\" everboot.timeout=9", None, Some(9), None, 0);
        check("everboot.slot=a -- everboot.slot=b init=/x", Some("a"), None, None, 0);
        check("init=\"/open", None, None, Some("/open"), 0);
    }

    #[test]
    fn the_parameters_of_a_module_are_those_with_its_name() {
        let of = |module| module_parameters("a-b.c=1 quiet a_b.d a.e=2 a_b.f=\"x y\" -- a_b.g=3", module);
        assert_eq!(of("a_b"), "c=1 d f=\"x y\"");
        assert_eq!((of("a-b"), of("a").as_str(), of("b").as_str()), (of("a_b"), "e=2", ""));
    }

    #[test]
    fn recovery_and_breakpoints_are_asked_for_by_name() {
        let asked = |text: &str| KernelCommandLine::parse(text).0.asked;
        assert_eq!(asked("everboot.recovery quiet"), Some(BootRequest::Recovery));
        assert_eq!(asked("everboot.slot=a everboot.recovery=shell"), Some(BootRequest::Shell));
        let (found, warned) = KernelCommandLine::parse("everboot.break=observe,handoff");
        assert_eq!(found.breakpoints, [Breakpoint::Observe, Breakpoint::Handoff]);
        assert!(warned.is_empty(), "{warned:?}");
        check("everboot.break=now everboot.recovery=1", None, None, None, 2);
    }

    #[test]
    fn a_warning_is_one_line_whatever_a_name_holds() {
        let (_, warned) = KernelCommandLine::parse("\"everboot.a\nb\"");
        assert!(warned.len() == 1 && !warned[0].contains('\n'), "{warned:?}");
    }

    #[test]
    fn what_cannot_be_used_is_a_warning_and_what_was_right_stays() {
        check("everboot.slot=a everboot.slot=B", Some("a"), None, None, 1);
        check("everboot.slot everboot.slot=", None, None, None, 2);
        check("everboot.timeout=0 everboot.timeout=3601 everboot.timeout=1s", None, None, None, 3);
        check("init=sh everboot.slto=a", None, None, None, 2);
    }
}
