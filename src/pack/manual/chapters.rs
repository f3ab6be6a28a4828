//! The pages that are written by hand, in `src/manual`: Markdown, so that they read well in the tree too.

use super::markdown;
use anyhow::Result;

/// File names below `src/manual`, with their text.
const CHAPTERS: [(&str, &str); 6] = [
    ("everboot-install.7.md", include_str!("../../manual/everboot-install.7.md")),
    ("everboot-images.7.md", include_str!("../../manual/everboot-images.7.md")),
    ("everboot-trust.7.md", include_str!("../../manual/everboot-trust.7.md")),
    ("everboot-recovery.7.md", include_str!("../../manual/everboot-recovery.7.md")),
    ("everboot-testing.7.md", include_str!("../../manual/everboot-testing.7.md")),
    ("everboot-init.8.md", include_str!("../../manual/everboot-init.8.md")),
];

/// Each page: its place below `/usr/share`, and its roff.
pub(super) fn pages(date: &str) -> impl Iterator<Item = Result<(String, String)>> {
    CHAPTERS.iter().map(move |(file, text)| {
        let name = file.trim_end_matches(".md");
        let section = name.rsplit('.').next().unwrap_or_default();
        let page = markdown::page(text, date).map_err(|why| why.context(format!("src/manual/{file}")))?;
        Ok((format!("man/man{section}/{name}"), page))
    })
}
