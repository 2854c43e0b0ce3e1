//! The folder a process keeps its servers in, and the guard that cleans up behind it.
//!
//! Destructors don't run on Ctrl-C, on a SIGKILL, or for what lies in a static. So each process that makes a scratch
//! folder also starts a small shell that holds the other end of a pipe: when the process is gone, however it went, the
//! pipe closes, and the guard stops the servers of that folder and removes it.

use std::fs::DirBuilder;
use std::io::ErrorKind;
use std::os::unix::fs::DirBuilderExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};

use anyhow::{Context, Result};

/// Ends the servers whose data folder lies in `$1` (and no other process), then removes it. A server that is asked to
/// quit removes its pid file last. An initdb that has lost its parent may still be writing: hence the second try.
const GUARD: &str = r#"
trap '' INT TERM HUP
cat >/dev/null
tries=50
while [ -e "$1" ] && [ $tries -gt 0 ]; do
    for file in "$1"/*/data/postmaster.pid; do
        [ -e "$file" ] || continue
        pid=$(head -n 1 "$file")
        [ "$(readlink "/proc/$pid/cwd")" = "${file%/postmaster.pid}" ] || continue
        kill -QUIT "$pid"
        waits=30
        while [ -e "$file" ] && [ $waits -gt 0 ]; do
            sleep 0.2
            waits=$((waits - 1))
        done
    done
    rm -rf "$1" || sleep 0.2
    tries=$((tries - 1))
done
"#;

static GUARDIAN: Mutex<Option<Child>> = Mutex::new(None);

/// This process's scratch folder, made at the first call, readable by the server's user.
///
/// # Errors
/// When it can't be made or its guard can't be started.
pub fn folder() -> Result<&'static Path> {
    static FOLDER: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    FOLDER
        .get_or_init(|| make().map_err(|error| format!("{error:#}")))
        .as_deref()
        .map_err(|message| anyhow::anyhow!(message.clone()))
}

/// A name no other part of this process uses inside the scratch folder.
pub fn unique(label: &str) -> String {
    static NEXT: AtomicU32 = AtomicU32::new(1);
    format!("{label}{}", NEXT.fetch_add(1, Ordering::Relaxed))
}

fn make() -> Result<PathBuf> {
    // A unix socket's path may have 107 bytes: a long TMPDIR can't be used.
    let parent = Some(std::env::temp_dir())
        .filter(|path| path.as_os_str().len() < 60)
        .unwrap_or_else(|| PathBuf::from("/tmp"));
    let parent = parent
        .canonicalize()
        .context("no folder for temporary files")?;
    // SAFETY: umask has no preconditions. What we make here is read by the server's account, which may be another one.
    unsafe { libc::umask(0o022) };
    let mut attempt = 0;
    let folder = loop {
        let folder = parent.join(format!("pg_backstop.{}.{attempt}", std::process::id()));
        match DirBuilder::new().mode(0o755).create(&folder) {
            Ok(()) => break folder,
            Err(error) if error.kind() == ErrorKind::AlreadyExists && attempt < 1000 => {
                attempt += 1
            }
            Err(error) => {
                return Err(error).with_context(|| format!("could not make {}", folder.display()));
            }
        }
    };
    let guard = Command::new("sh")
        .args(["-c", GUARD, "pg_backstop-guard"])
        .arg(&folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .current_dir("/")
        .process_group(0)
        .spawn()
        .context("could not start the guard of the scratch folder")?;
    *GUARDIAN.lock().unwrap_or_else(PoisonError::into_inner) = Some(guard);
    // SAFETY: `clean_up` has the signature atexit asks for, and doesn't unwind.
    unsafe { libc::atexit(clean_up) };
    Ok(folder)
}

/// On an ordinary exit: waits for the guard, so that nothing is left when the command line comes back.
extern "C" fn clean_up() {
    let guard = GUARDIAN
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .take();
    if let Some(mut guard) = guard {
        drop(guard.stdin.take());
        // It ends by itself; how it ended changes nothing here.
        let _ = guard.wait();
    }
}
