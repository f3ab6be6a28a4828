//! Which machine an image of an index is for.

use anyhow::{Context, Result};
use oci_spec::image::Descriptor;
use std::fmt;

/// `OS/ARCH[/VARIANT]`, in the words of Go.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Platform {
    /// Without a variant any will do.
    text: String,
}

impl Platform {
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let parts: Vec<_> = text.split('/').collect();
        let is_right = matches!(parts.len(), 2 | 3) && parts.iter().all(|part| !part.is_empty());
        is_right.then(|| Self { text: text.into() }).ok_or("expected OS/ARCH or OS/ARCH/VARIANT".into())
    }

    /// The machine that this runs on.
    pub(crate) fn this() -> Self {
        let arch = match std::env::consts::ARCH {
            "x86_64" => "amd64",
            "aarch64" => "arm64",
            "x86" => "386",
            other => other,
        };
        Self { text: format!("linux/{arch}") }
    }

    /// Whether an image for `found` is one for this.
    pub(crate) fn is(&self, found: &str) -> bool {
        let mut found = found.split('/');
        self.text.split('/').take(2).all(|part| found.next() == Some(part))
            && self
                .text
                .split('/')
                .nth(2)
                .is_none_or(|variant| found.next().is_none_or(|part| part == variant))
    }

    /// The first of an index that is for it.
    pub(crate) fn choose<'a>(&self, images: &'a [Descriptor]) -> Result<&'a Descriptor> {
        let all: Vec<_> = images.iter().map(|image| (image, text(image))).collect();
        if let [(only, None)] = &all[..] {
            return Ok(only);
        }
        let found = all.iter().find(|(_, text)| text.as_ref().is_some_and(|text| self.is(text)));
        found.map(|(image, _)| *image).with_context(|| {
            let known: Vec<_> = all.iter().filter_map(|(_, text)| text.as_deref()).collect();
            format!("expected an image for {self}, found {} (--platform chooses)", known.join(", "))
        })
    }
}

fn text(image: &Descriptor) -> Option<String> {
    let platform = image.platform().as_ref()?;
    let variant = platform.variant().as_ref().map(|variant| format!("/{variant}")).unwrap_or_default();
    Some(format!("{}/{}{variant}", platform.os(), platform.architecture()))
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_platform_without_a_variant_takes_any() {
        let is = |wanted: &str, found: &str| Platform::parse(wanted).unwrap().is(found);
        assert!(is("linux/arm", "linux/arm/v7") && is("linux/arm/v7", "linux/arm/v7"));
        assert!(!is("linux/arm/v6", "linux/arm/v7") && !is("linux/arm64", "linux/arm/v7"));
        assert!(!is("linux/amd64", "unknown/unknown") && is("linux/amd64", "linux/amd64"));
    }

    #[test]
    fn a_platform_has_two_or_three_words() {
        for text in ["", "linux", "linux/", "a/b/c/d"] {
            assert!(Platform::parse(text).is_err(), "{text}");
        }
    }
}
