//! Python packages that speak to AWS: botocore, moto and awscurl.
//!
//! They are fetched from PyPI as their lock file says, into an environment of their own.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

use anyhow::{Context as _, anyhow, ensure};
use gateway_tests::capability::or_skip;
use gateway_tests::process::output;

use crate::program;

const LOCK: &str = include_str!("python/requirements.txt");

/// Where the programs of the packages are, `python` among them; `None` is a skip that says why.
pub(crate) fn packages() -> Option<&'static Path> {
    static INSTALLED: LazyLock<Result<PathBuf, String>> = LazyLock::new(|| {
        let python = program("python3").ok_or("`python3` is not installed")?;
        installed(&python).map_err(|error| format!("{error:#}"))
    });
    let installed = INSTALLED.as_ref().map_err(|error| anyhow!("{error}"));
    or_skip(installed.map(PathBuf::as_path))
}

fn installed(python: &Path) -> anyhow::Result<PathBuf> {
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join("python");
    let (programs, done) = (directory.join("bin"), directory.join("installed.txt"));
    // Written last, so that it stands for a whole environment.
    if std::fs::read_to_string(&done).is_ok_and(|lock| lock == LOCK) {
        return Ok(programs);
    }
    let lock = Path::new(env!("CARGO_MANIFEST_DIR")).join("peers/python/requirements.txt");
    run(Command::new(python)
        .args(["-m", "venv", "--clear"])
        .arg(&directory))?;
    let arguments = ["-m", "pip", "install", "--quiet", "--no-input", "--no-deps"];
    run(Command::new(programs.join("python"))
        .args(arguments)
        .args(["--disable-pip-version-check", "--only-binary", ":all:"])
        .arg("--require-hashes")
        .arg("--requirement")
        .arg(lock))?;
    std::fs::write(done, LOCK)?;
    Ok(programs)
}

fn run(command: &mut Command) -> anyhow::Result<()> {
    let output = output(command).with_context(|| format!("{command:?}"))?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{command:?}: {said}");
    Ok(())
}
