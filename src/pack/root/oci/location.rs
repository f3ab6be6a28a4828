//! Where an OCI image is, in the words that skopeo and podman have for it.

use std::path::PathBuf;

#[derive(Debug, PartialEq)]
pub(crate) enum Location {
    /// `oci:DIR[:NAME]`, an image layout.
    Folder(PathBuf, Option<String>),
    /// `oci-archive:FILE[:NAME]`, an image layout in a tar.
    Archive(PathBuf, Option<String>),
    /// `docker-archive:FILE[:NAME]`, what `docker save` writes.
    DockerArchive(PathBuf, Option<String>),
    /// `docker://REGISTRY/NAME[:TAG|@DIGEST]`
    Registry(String),
}

impl Location {
    /// `None` for the path of a file; one that begins like these is written with `./`.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (kind, rest) = text.split_once(':')?;
        let (path, name) = match rest.split_once(':') {
            Some((path, name)) => (path.into(), Some(name.to_owned())),
            None => (rest.into(), None),
        };
        match kind {
            "oci" => Some(Self::Folder(path, name)),
            "oci-archive" => Some(Self::Archive(path, name)),
            "docker-archive" => Some(Self::DockerArchive(path, name)),
            "docker" => rest.strip_prefix("//").map(|name| Self::Registry(name.to_owned())),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: Option<Location>) {
        assert_eq!(Location::parse(text), expected, "{text}");
    }

    #[test]
    fn a_place_is_named_as_skopeo_names_it() {
        check("oci:image", Some(Location::Folder("image".into(), None)));
        check("oci:/a/image:1.0", Some(Location::Folder("/a/image".into(), Some("1.0".into()))));
        check("oci-archive:i.tar:x", Some(Location::Archive("i.tar".into(), Some("x".into()))));
        let name = Some("docker.io/a/b:1".into());
        check("docker-archive:i.tar:docker.io/a/b:1", Some(Location::DockerArchive("i.tar".into(), name)));
        check("docker://127.0.0.1:5000/a/b:1", Some(Location::Registry("127.0.0.1:5000/a/b:1".into())));
    }

    #[test]
    fn anything_else_is_the_path_of_a_file() {
        for text in ["root.img", "./oci:image", "/a/b:c", "docker:x", "https://example.org/x"] {
            check(text, None);
        }
    }
}
