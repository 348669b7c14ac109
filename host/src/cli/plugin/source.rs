//! What a command line calls a component: a file, or an image of a registry.

use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;

use super::unread;
use crate::cli::CliError;

const IMAGE: &str = "oci://";
/// Bytes of a component that a gateway takes.
const LARGEST: u64 = 64 << 20;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Source {
    File(PathBuf),
    /// With its scheme.
    Image(String),
}

impl Source {
    /// What has no scheme is a file, unless there is none and it begins with the host of a registry.
    pub(super) fn of(text: &str) -> Result<Source, CliError> {
        if text.starts_with(IMAGE) {
            return Ok(Source::Image(text.to_owned()));
        }
        if let Some((scheme, _)) = text.split_once("://") {
            return Err(CliError::Plugin(format!(
                "'{text}' is no component: {scheme}:// is not supported. Give a file, or an image as oci://registry/repository:tag"
            )));
        }
        let path = Path::new(text);
        match names_a_registry(text) && !path.exists() {
            true => Ok(Source::Image(format!("{IMAGE}{text}"))),
            false => Ok(Source::File(path.to_owned())),
        }
    }
}

fn names_a_registry(text: &str) -> bool {
    let Some((host, repository)) = text.split_once('/') else { return false };
    let is_host = host == "localhost" || host.contains(':') || (host.contains('.') && !host.starts_with('.'));
    is_host && !repository.is_empty() && !repository.ends_with(".wasm")
}

pub(super) fn component(path: &Path) -> Result<Vec<u8>, CliError> {
    let mut bytes = Vec::new();
    let read = File::open(path).and_then(|file| file.take(LARGEST + 1).read_to_end(&mut bytes));
    read.map_err(|reason| unread(path, &reason))?;
    if bytes.len() as u64 > LARGEST {
        return Err(CliError::Plugin(format!(
            "{} is larger than {LARGEST} bytes, which is the most that a gateway takes. Build the component in release mode, without debug information",
            path.display()
        )));
    }
    Ok(bytes)
}

/// In base64, which is how `cosign` writes it; other tools write the bytes.
pub(super) fn signature(path: &Path) -> Result<String, CliError> {
    let content = fs::read(path).map_err(|reason| unread(path, &reason))?;
    let text = content.trim_ascii();
    if text.is_empty() {
        return Err(CliError::Plugin(format!(
            "{} is empty, and no signature. Sign the component again",
            path.display()
        )));
    }
    Ok(match BASE64_STANDARD.decode(text) {
        Ok(_) => String::from_utf8_lossy(text).into_owned(),
        Err(_) => BASE64_STANDARD.encode(&content),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_file_may_be_an_image() {
        let folder = tempfile::tempdir().unwrap();
        let there = folder.path().join("a.b");
        fs::create_dir(&there).unwrap();
        fs::write(there.join("x"), "").unwrap();
        let there = there.join("x").display().to_string();
        for (text, image) in [
            ("plugin.wasm", None),
            ("./plugin.wasm", None),
            ("/tmp/plugin.wasm", None),
            ("../out/plugin.wasm", None),
            ("v1.0/plugin.wasm", None),
            ("target/plugin", None),
            (there.as_str(), None),
            ("oci://localhost:5000/widgets:1", Some("oci://localhost:5000/widgets:1")),
            ("oci://", Some("oci://")),
            ("localhost:5000/widgets:1", Some("oci://localhost:5000/widgets:1")),
            ("localhost/widgets", Some("oci://localhost/widgets")),
            ("ghcr.io/contoso/widgets:1", Some("oci://ghcr.io/contoso/widgets:1")),
            ("ghcr.io/contoso/widgets@sha256:00", Some("oci://ghcr.io/contoso/widgets@sha256:00")),
        ] {
            let expected = image.map_or(Source::File(text.into()), |image| Source::Image(image.to_owned()));
            assert_eq!(Source::of(text).unwrap(), expected, "{text}");
        }
        assert!(matches!(Source::of("https://example.com/x.wasm"), Err(CliError::Plugin(_))));
    }

    #[test]
    fn a_signature_is_sent_in_base64_however_it_was_written() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("plugin.sig");
        for (content, sent) in
            [(&b"aGVsbG8=\n"[..], Some("aGVsbG8=")), (b"\xff\x00\x01 ", Some("/wABIA==")), (b" \n", None)]
        {
            fs::write(&path, content).unwrap();
            assert_eq!(signature(&path).ok().as_deref(), sent);
        }
        assert!(signature(&folder.path().join("missing")).is_err());
    }
}
