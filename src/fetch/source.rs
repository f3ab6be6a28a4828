//! The SOURCE on the command line, parsed.

use anyhow::{Context, Result, bail};
use reqwest::Url;
use std::path::PathBuf;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Source {
    /// `oci:REGISTRY/NAME[:TAG|@DIGEST]`
    Registry(String),
    /// `https:` or `http:`
    Web(Url),
    /// `file:PATH`
    File(PathBuf),
    /// `channel:URL`
    Channel(Url),
}

impl Source {
    /// Refuses control characters: the parser of URLs would drop line ends and tabs, so that another source was fetched
    /// than the one that was shown.
    pub(crate) fn parse(text: &str) -> Result<Self> {
        if text.chars().any(char::is_control) {
            bail!("{text:?}: expected a source without control characters");
        }
        match text.split_once(':') {
            Some(("oci", name)) => Ok(Self::Registry(name.to_owned())),
            Some(("file", path)) => Ok(Self::File(path.into())),
            Some(("channel", url)) => parse(url).map(Self::Channel),
            Some(("https" | "http", _)) => parse(text).map(Self::Web),
            _ => bail!("{text}: expected oci:NAME, an https: or http: URL, file:PATH or channel:URL"),
        }
    }

    /// A URL that may have come from elsewhere.
    pub(crate) fn web(url: Url) -> Result<Self> {
        match url.scheme() {
            "https" | "http" => Ok(Self::Web(url)),
            scheme => bail!("{url}: expected an https: or http: URL, found {scheme}:"),
        }
    }

    /// The name of the file that it becomes when nobody says.
    pub(crate) fn file_name(&self) -> Result<String> {
        let last = |text: &str| text.rsplit('/').next().unwrap_or_default().to_owned();
        let name = match self {
            Self::Registry(name) => last(name).replace([':', '@'], "-") + ".everboot",
            Self::Web(url) | Self::Channel(url) => last(url.path()),
            Self::File(path) => last(&path.to_string_lossy()),
        };
        if matches!(name.as_str(), "" | "." | "..") {
            bail!("expected --output FILE, since the source names no file");
        }
        Ok(name)
    }
}

fn parse(text: &str) -> Result<Url> {
    let url = Url::parse(text).with_context(|| format!("{text}: expected a URL"))?;
    Source::web(url.clone())?;
    Ok(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_called_as_its_source_calls_it() {
        for (text, expected) in [
            ("oci:127.0.0.1:5000/a/demo:1.0", "demo-1.0.everboot"),
            ("oci:registry.example/demo@sha256:0a", "demo-sha256-0a.everboot"),
            ("https://example.org/a/v1.everboot?x=/y", "v1.everboot"),
            ("file:/a/b.everboot", "b.everboot"),
        ] {
            assert_eq!(Source::parse(text).unwrap().file_name().unwrap(), expected);
        }
        for text in ["https://example.org/", "https://example.org/a/", "file:/a/.."] {
            assert!(Source::parse(text).unwrap().file_name().is_err(), "{text}");
        }
    }

    #[test]
    fn what_is_no_source_is_refused() {
        for text in [
            "v1.everboot",
            "ftp://example.org/a",
            "channel:file:///a",
            "https:",
            "channel:a",
            "",
            "https://a/b\n",
            "file:a\tb",
            "oci:a\x1b/b",
        ] {
            assert!(Source::parse(text).is_err(), "{text}");
        }
    }
}
