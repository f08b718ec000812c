//! Lines to paste into a shell, from any directory.

use std::path::Path;

/// A word as the shell reads it back.
pub(super) fn quoted(word: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/._-+,:@%=".contains(&byte);
    if !word.is_empty() && word.bytes().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

/// A path as the shell reads it back.
pub(super) fn quoted_path(path: &Path) -> String {
    quoted(&path.to_string_lossy())
}

/// A `curl` line that shows the body and, after an arrow, the status of each answer.
#[derive(Debug)]
pub(super) struct Curl<'a> {
    /// What the demo's certificate is checked against.
    pub(super) certificate: &'a Path,
    pub(super) port: u16,
}

impl Curl<'_> {
    /// Asks for `path`, with more `options`, already quoted.
    pub(super) fn line(&self, options: &[&str], path: &str) -> String {
        let certificate = quoted_path(self.certificate);
        let url = quoted(&format!("https://127.0.0.1:{}{path}", self.port));
        let fixed = ["curl -sS -w ' -> %{http_code}\\n' --cacert", &certificate];
        [&fixed, options, &[&url]].concat().join(" ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_only_what_a_shell_would_read_otherwise() {
        for (word, expected) in [
            (
                "/target/demo-1/certificate.pem",
                "/target/demo-1/certificate.pem",
            ),
            ("", "''"),
            ("a b", "'a b'"),
            ("/limited?call=[1-3]", "'/limited?call=[1-3]'"),
            ("it's", r"'it'\''s'"),
        ] {
            assert_eq!(quoted(word), expected, "{word}");
        }
    }
}
